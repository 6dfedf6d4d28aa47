-- The prompts of the released tasks, with where they come from and who wrote the turns in between; without their text,
-- which is that of the task named `shown_in`. Imported prompts may share an id and differ: each is a row then.
-- inputs: annotation_tasks, task_fates
-- grain: shown_in
-- output: prompt_id, split, source, licence, completion_model, completion_licence, tasks, shown_in
select
    annotation_tasks.prompt_id,
    task_fates.split,
    annotation_tasks.source,
    annotation_tasks.source_licence as licence,
    annotation_tasks.completion_model,
    annotation_tasks.completion_licence,
    count(distinct annotation_tasks.task_id) as tasks,
    min(annotation_tasks.task_id) as shown_in
from annotation_tasks
join task_fates using (task_id)
where task_fates.published
group by
    annotation_tasks.prompt_id,
    task_fates.split,
    annotation_tasks.source,
    annotation_tasks.source_licence,
    annotation_tasks.completion_model,
    annotation_tasks.completion_licence,
    hash(annotation_tasks.messages)
order by
    annotation_tasks.prompt_id,
    annotation_tasks.source,
    annotation_tasks.source_licence,
    annotation_tasks.completion_model,
    annotation_tasks.completion_licence,
    shown_in
