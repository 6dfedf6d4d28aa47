-- How many delivered rows met each fate.
-- inputs: annotation_fates
-- grain: fate
-- output: fate, rows
select fate, count(*) as rows
from annotation_fates
group by fate
order by fate
