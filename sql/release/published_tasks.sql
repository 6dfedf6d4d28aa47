-- How many tasks the release has.
-- inputs: task_fates
-- grain: tasks
-- output: tasks
select count(*) filter (where published) as tasks
from task_fates
