-- What one release says of tasks.
-- inputs: released_tasks
-- parameters: task_ids
-- grain: task_id
-- output: task_id, split, published, stage, reason
select task_id, split, published, stage, reason
from released_tasks
where task_id in (select unnest($task_ids))
order by task_id
