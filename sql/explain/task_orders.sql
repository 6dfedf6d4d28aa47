-- Further annotators that were ordered for tasks.
-- inputs: top_up_tasks
-- parameters: task_ids
-- grain: task_id, round
-- output: task_id, round, annotators, reason
select task_id, round, annotators, reason
from top_up_tasks
where task_id in (select unnest($task_ids))
order by task_id, round
