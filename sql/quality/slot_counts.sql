-- How often one annotator (the first of `slots`) gave `first` and another gave `second` to the same response, as steps
-- above the lowest level, of those who pass a step; only where the annotators are the same throughout.
-- inputs: rated, places, masks
-- parameters: step
-- grain: bucket, position, slots, first, second
-- output: bucket, position, slots, first, second, count
with ratings as (
    select
        rated.task_id,
        rated.annotator,
        rated.bucket,
        places.response,
        places.position,
        bit_count((((rated.ballot >> places.shift) & masks.field) >> 1::uhugeint)::hugeint)::integer as level
    from rated
    join places using (word)
    join masks using (word)
    where rated.step >= $step and ((rated.ballot >> places.shift) & 1) = 1
)

select
    one.bucket,
    one.position,
    concat_ws('|', one.annotator, other.annotator) as slots,
    one.level as first,
    other.level as second,
    count(*) as count
from ratings as one
join ratings as other using (task_id, response, position)
where one.annotator < other.annotator
group by one.bucket, one.position, one.annotator, other.annotator, one.level, other.level
