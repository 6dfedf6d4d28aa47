-- Each annotator's preference in a task of two responses, as last stated, beside how much higher the annotator rated the
-- second response than the first in the deciding attributes; positive is for the second in both.
-- inputs: retained_annotations, rubric
-- grain: task_id, annotator
-- output: task_id, annotator, strength, difference, trusted, retained
with deciding as (
    select list(position order by position) as places
    from rubric
    where decides
),

rated as (
    select
        retained_annotations.*,
        list_sum(list_select(retained_annotations.scores, deciding.places)) as total
    from retained_annotations
    cross join deciding
),

differences as (
    select
        task_id,
        annotator,
        max(total) filter (where position = 2) - max(total) filter (where position = 1) as difference
    from rated
    group by task_id, annotator
    having max(position) = 2
)

select
    rated.task_id,
    rated.annotator,
    rated.preference::bigint as strength,
    differences.difference::bigint as difference,
    rated.stage not in ('validity', 'trust') as trusted,
    rated.preference_retained as retained
from rated
join differences using (task_id, annotator)
where rated.preference is not null
qualify
    row_number() over (
        partition by rated.task_id, rated.annotator
        order by rated.submitted_at desc, rated.revision desc, rated.position desc
    ) = 1
order by rated.task_id, rated.annotator
