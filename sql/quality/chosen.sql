-- Steps 4 and 5 of the agreement policy: the stage and the reason of each contender. Those outside the closest
-- leave; the closest leave together if they differ by more than `max_range` in a deciding attribute of any response.
-- inputs: seats, panel_closest, closest, masks
-- grain: task_id, annotator
-- output: task_id, annotator, stage, reason
with crowds as (
    select
        seats.task_id,
        seats.annotator,
        seats.word,
        seats.ballot,
        closest.annotator is not null as is_closest
    from seats
    anti join panel_closest using (task_id)
    left join closest using (task_id, annotator)
),

extremes as (
    select task_id, word, xor(bit_or(ballot), bit_and(ballot)) as bits
    from crowds
    where is_closest
    group by task_id, word
),

disputes as (
    select extremes.task_id, bool_or((bits & (bits >> masks.max_range) & masks.wide) <> 0) as disputed
    from extremes
    join masks using (word)
    group by extremes.task_id
),

members as (
    select
        seats.task_id,
        seats.annotator,
        seats.rank in (panel_closest.first, panel_closest.second, panel_closest.third) as is_closest,
        panel_closest.disputed
    from seats
    join panel_closest using (task_id)
    where seats.word = 0
    union all
    select crowds.task_id, crowds.annotator, crowds.is_closest, disputes.disputed
    from crowds
    join disputes using (task_id)
    where crowds.word = 0
)

select
    task_id,
    annotator,
    case when not is_closest then 'closest' when disputed then 'dispute' else 'kept' end as stage,
    case when not is_closest then 'not_closest' when disputed then 'disputed' end as reason
from members
