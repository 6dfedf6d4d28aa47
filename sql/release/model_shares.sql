-- Who wrote the text of the tasks, under which licence and parameters: the responses, and the
-- assistant turns within conversations; how many of them, and how many reached the release.
-- inputs: annotation_tasks, task_fates
-- grain: role, model, model_name, revision, parameters, licence, outputs_may_train
-- output: role, model, model_name, revision, parameters, licence, outputs_may_train, in_tasks, in_release
select
    'response' as role,
    annotation_tasks.model,
    annotation_tasks.model_name,
    annotation_tasks.revision,
    annotation_tasks.parameters,
    annotation_tasks.model_licence as licence,
    annotation_tasks.outputs_may_train,
    count(distinct annotation_tasks.response_id) as in_tasks,
    count(distinct annotation_tasks.response_id) filter (where task_fates.published) as in_release
from annotation_tasks
join task_fates using (task_id)
group by all
union all
select
    'turns' as role,
    annotation_tasks.completion_model as model,
    null as model_name,
    null as revision,
    null as parameters,
    annotation_tasks.completion_licence as licence,
    null as outputs_may_train,
    count(distinct annotation_tasks.prompt_id) as in_tasks,
    count(distinct annotation_tasks.prompt_id) filter (where task_fates.published) as in_release
from annotation_tasks
join task_fates using (task_id)
where annotation_tasks.completion_model is not null
group by all
order by role, model, model_name, revision, parameters, licence, outputs_may_train
