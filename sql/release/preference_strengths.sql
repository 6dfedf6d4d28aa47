-- How many tasks have each strength of preference.
-- inputs: task_preferences
-- grain: strength
-- output: strength, tasks
select preference_strength as strength, count(*) as tasks
from task_preferences
group by strength
order by strength
