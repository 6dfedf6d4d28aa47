-- The preference of tasks, or the reason why they have none.
-- inputs: preferences
-- parameters: task_ids
-- grain: task_id
-- output: task_id, strength, reason, statement
select task_id, strength, reason, statement
from preferences
where task_id in (select unnest($task_ids))
order by task_id
