-- The annotators on whom two policies disagree: how many tasks' ratings of theirs only one of them keeps, those who
-- lose or win most first.
-- inputs: first_fates, second_fates, numbered_annotators
-- grain: annotator
-- output: annotator, tasks, only_first, only_second
with verdicts as (
    select
        first_fates.task,
        first_fates.annotator,
        bool_or(first_fates.stage = 'kept') as by_first,
        bool_or(second_fates.stage = 'kept') as by_second
    from first_fates
    join second_fates using (task, annotator, position)
    group by first_fates.task, first_fates.annotator
)

select
    numbered_annotators.annotator_id as annotator,
    count(*) as tasks,
    count(*) filter (where verdicts.by_first and not verdicts.by_second) as only_first,
    count(*) filter (where verdicts.by_second and not verdicts.by_first) as only_second
from verdicts
join numbered_annotators using (annotator)
group by numbered_annotators.annotator_id
having count(*) filter (where verdicts.by_first <> verdicts.by_second) > 0
order by only_first + only_second desc, annotator
