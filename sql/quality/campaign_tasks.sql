-- Every task of the campaign with its number of responses; `task` is null if nobody has rated it.
-- inputs: annotation_tasks, numbered_tasks
-- grain: task_id
-- output: task_id, task, responses
select sizes.task_id, numbered_tasks.task, sizes.responses
from (
    select task_id, count(*) as responses
    from annotation_tasks
    group by task_id
) as sizes
left join numbered_tasks using (task_id)
