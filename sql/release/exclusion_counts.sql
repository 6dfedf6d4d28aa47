-- How many rows of each kind left at each stage, by reason.
-- inputs: exclusions
-- grain: kind, stage, reason
-- output: kind, stage, reason, rows
select kind, stage, reason, sum(rows)::bigint as rows
from exclusions
group by kind, stage, reason
order by kind, stage, reason
