-- How many tasks are barred, by stage and reason.
-- inputs: barred_tasks
-- grain: stage, reason
-- output: stage, reason, tasks
select stage, reason, count(*) as tasks
from barred_tasks
group by stage, reason
order by stage, reason
