-- How many annotations each stage decided on, by reason.
-- inputs: retained_annotations
-- grain: stage, reason
-- output: stage, reason, annotations
select stage, reason, count(*) as annotations
from retained_annotations
group by stage, reason
order by stage, reason
