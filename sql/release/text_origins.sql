-- Where the text of the campaigns' tasks comes from, under which licence and terms: who answered, who filled in turns,
-- and whose prompts they are. `source` is a model's slug, or the prompts' source.
-- inputs: annotation_tasks, responses
-- grain: role, campaign, source, model_name, revision, endpoint, licence, may_train
-- output: role, campaign, source, model_name, revision, endpoint, licence, may_train, responses
with asked as (
    select response_id, min(endpoint) as endpoint
    from responses
    group by response_id
)

select
    'response' as role,
    annotation_tasks.campaign,
    annotation_tasks.model as source,
    annotation_tasks.model_name,
    annotation_tasks.revision,
    asked.endpoint,
    annotation_tasks.model_licence as licence,
    annotation_tasks.outputs_may_train as may_train,
    count(distinct annotation_tasks.response_id) as responses
from annotation_tasks
left join asked using (response_id)
group by all
union all
select
    'turns' as role,
    campaign,
    completion_model as source,
    null as model_name,
    null as revision,
    null as endpoint,
    completion_licence as licence,
    completion_may_train as may_train,
    count(distinct response_id) as responses
from annotation_tasks
where completion_model is not null
group by all
union all
select
    'prompt' as role,
    campaign,
    source,
    null as model_name,
    null as revision,
    null as endpoint,
    source_licence as licence,
    null as may_train,
    count(distinct response_id) as responses
from annotation_tasks
group by all
order by role, campaign, source, model_name, revision, endpoint, licence, may_train
