-- How far two annotators of a crowd (a task that is no panel) are from each other: the sum of absolute differences
-- over all responses, on the deciding attributes and on all attributes. A difference counts where both gave a score.
-- An annotator's distance to itself is 0 and is listed, so that a set of one has a sum too.
-- inputs: seats, panels, masks
-- parameters: break_ties
-- grain: task_id, first, second
-- output: task_id, first, second, deciding, total
with crowds as (
    select *
    from seats
    anti join panels using (task_id)
),

differing as (
    select
        one.task_id,
        one.annotator as first,
        other.annotator as second,
        masks.deciding,
        xor(one.ballot, other.ballot) & ((one.ballot & other.ballot & masks.present) * masks.field) & masks.distance
            as bits
    from crowds as one
    join crowds as other
        on
            one.task_id = other.task_id
            and one.word = other.word
            and one.rank <= other.rank
    join masks on one.word = masks.word
)

select
    task_id,
    first,
    second,
    sum(bit_count(((bits & deciding) >> 1::uhugeint)::hugeint))::bigint as deciding,
    sum(bit_count((bits >> 1::uhugeint)::hugeint))::bigint * $break_ties::bigint as total
from differing
group by task_id, first, second
