-- The prompts of the released tasks, with where they come from and who wrote the turns in between.
-- inputs: annotation_tasks, task_fates
-- grain: prompt_id, source, licence, completion_model, completion_licence, messages
-- output: prompt_id, split, source, licence, completion_model, completion_licence, messages, tasks
select
    annotation_tasks.prompt_id,
    task_fates.split,
    annotation_tasks.source,
    annotation_tasks.source_licence as licence,
    annotation_tasks.completion_model,
    annotation_tasks.completion_licence,
    annotation_tasks.messages,
    count(distinct annotation_tasks.task_id) as tasks
from annotation_tasks
join task_fates using (task_id)
where task_fates.published
group by all
order by prompt_id, annotation_tasks.source, licence, completion_model, completion_licence, messages
