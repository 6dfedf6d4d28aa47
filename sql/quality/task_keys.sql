-- A hash of each task's id, by its number.
-- inputs: numbered_tasks
-- grain: task
-- output: task, key
select task, key
from numbered_tasks
order by task
