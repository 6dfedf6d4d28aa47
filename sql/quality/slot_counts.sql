-- How often one annotator (the first of `slots`) gave `first` and another gave `second` to the same response, as steps
-- above the lowest level, of those who pass a step; only where the annotators are the same throughout.
-- inputs: numbered_ratings, numbered_tasks, numbered_annotators, steps, rubric
-- parameters: step, buckets
-- grain: bucket, position, slots, first, second
-- output: bucket, position, slots, first, second, count
with ratings as (
    select
        numbered_ratings.task,
        numbered_ratings.position as response,
        numbered_annotators.annotator_id as annotator,
        numbered_tasks.key % $buckets as bucket,
        rubric.position,
        (numbered_ratings.scores[rubric.position] - rubric.lowest)::integer as level
    from numbered_ratings
    join steps using (task, annotator, position)
    join numbered_tasks using (task)
    join numbered_annotators using (annotator)
    cross join rubric
    where steps.step >= $step and numbered_ratings.scores[rubric.position] is not null
)

select
    one.bucket,
    one.position,
    concat_ws('|', one.annotator, other.annotator) as slots,
    one.level as first,
    other.level as second,
    count(*) as count
from ratings as one
join ratings as other using (task, response, position)
where one.annotator < other.annotator
group by one.bucket, one.position, one.annotator, other.annotator, one.level, other.level
