-- Steps 4 and 5 of the agreement policy: the stage and the reason of each contender. Those outside the closest
-- leave; the closest leave together if they differ by more than `max_range` in a deciding attribute of any response.
-- inputs: contenders, closest, rubric
-- parameters: max_range
-- grain: task_id, annotator
-- output: task_id, annotator, stage, reason
with ranges as (
    select
        contenders.task_id,
        max(contenders.scores[rubric.position]::integer) - min(contenders.scores[rubric.position]::integer) as range
    from contenders
    join closest using (task_id, annotator)
    cross join rubric
    where rubric.decides
    group by contenders.task_id, contenders.response_id, rubric.position
),

disputes as (
    select task_id, max(range) > $max_range as disputed
    from ranges
    group by task_id
),

reasons as (
    select
        members.task_id,
        members.annotator,
        case
            when closest.annotator is null then 'not_closest'
            when disputes.disputed then 'disputed'
        end as reason
    from (select distinct task_id, annotator from contenders) as members
    left join closest using (task_id, annotator)
    left join disputes using (task_id)
)

select
    task_id,
    annotator,
    case reason when 'not_closest' then 'closest' when 'disputed' then 'dispute' else 'kept' end as stage,
    reason
from reasons
order by task_id, annotator
