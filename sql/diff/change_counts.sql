-- How many rated responses met each change, by reason.
-- inputs: row_changes
-- grain: change, reason
-- output: change, reason, rows
select change, reason, count(*) as rows
from row_changes
group by change, reason
order by change, reason
