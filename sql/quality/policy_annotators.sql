-- The annotators on whom two policies disagree: how many tasks' ratings of theirs only one of them keeps, those who
-- lose or win most first.
-- inputs: first_fates, second_fates
-- grain: annotator
-- output: annotator, tasks, only_first, only_second
select
    annotator,
    count(*) as tasks,
    count(*) filter (where first_fates.stage = 'kept' and second_fates.stage <> 'kept') as only_first,
    count(*) filter (where first_fates.stage <> 'kept' and second_fates.stage = 'kept') as only_second
from first_fates
join second_fates using (task_id, annotator)
group by annotator
having count(*) filter (where (first_fates.stage = 'kept') <> (second_fates.stage = 'kept')) > 0
order by only_first + only_second desc, annotator
