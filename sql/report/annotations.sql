-- How many annotations were kept, and how many left at which stage for which reason.
-- inputs: retained_annotations
-- grain: stage, reason
-- output: stage, reason, annotations
select stage, coalesce(reason, 'kept') as reason, count(*) as annotations
from retained_annotations
group by all
order by stage, reason
