-- How far two annotators of a task are from each other: the sum of absolute differences over all responses,
-- on the deciding attributes and on all attributes. A difference counts where both gave a value.
-- An annotator's distance to itself is 0 and is listed, so that a set of one has a sum too.
-- inputs: contenders, rubric
-- grain: task_id, first, second
-- output: task_id, first, second, deciding, total
with ratings as (
    select
        contenders.task_id,
        contenders.response_id,
        contenders.annotator,
        rubric.position,
        rubric.decides,
        contenders.scores[rubric.position]::bigint as score
    from contenders
    cross join rubric
    where contenders.scores[rubric.position] is not null
)

select
    one.task_id,
    one.annotator as first,
    other.annotator as second,
    coalesce(sum(abs(one.score - other.score)) filter (where one.decides), 0)::bigint as deciding,
    sum(abs(one.score - other.score))::bigint as total
from ratings as one
join ratings as other
    on
        one.task_id = other.task_id
        and one.response_id = other.response_id
        and one.position = other.position
        and one.annotator <= other.annotator
group by one.task_id, one.annotator, other.annotator
order by one.task_id, first, second
