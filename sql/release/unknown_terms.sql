-- Models that are named in the tasks, and of which nobody said under which licence their text comes, or whether
-- it may train others: those that answered, and those that filled in the turns before.
-- inputs: annotation_tasks
-- grain: campaign, model
-- output: campaign, model, responses
with texts as (
    select campaign, response_id, model, model_licence as licence, outputs_may_train as may_train
    from annotation_tasks
    union all
    select campaign, response_id, completion_model, completion_licence, completion_may_train
    from annotation_tasks
)

select campaign, model, count(distinct response_id) as responses
from texts
where model is not null and (licence is null or may_train is null)
group by campaign, model
order by campaign, model
