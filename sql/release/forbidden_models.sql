-- Models in the tasks whose terms, as stored with what they wrote, do not let outputs train others: those that
-- answered, and those that filled in the turns before.
-- inputs: annotation_tasks
-- grain: campaign, model, licence
-- output: campaign, model, licence, responses
select
    campaign,
    coalesce(model, 'unknown') as model,
    coalesce(model_licence, 'unknown') as licence,
    count(distinct response_id) as responses
from annotation_tasks
where not outputs_may_train
group by all
union all
select
    campaign,
    completion_model as model,
    coalesce(completion_licence, 'unknown') as licence,
    count(distinct response_id) as responses
from annotation_tasks
where not completion_may_train
group by all
order by campaign, model, licence
