-- How many tasks have no preference, by reason.
-- inputs: preferences
-- grain: reason
-- output: reason, tasks
select reason, count(*) as tasks
from preferences
where reason is not null
group by reason
order by reason
