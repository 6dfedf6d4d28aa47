-- How often one annotator gave `first` and another gave `second` to the same response. Estimator `pooled`
-- counts all ordered pairs within a response, so it is symmetric, apart for each number of raters of the response;
-- `fixed_slots` counts each pair of annotators apart (`slots`), and only where annotators are the same throughout.
-- inputs: steps, rubric
-- parameters: fixed_slots
-- grain: step, attribute, estimator, slots, raters, first, second
-- output: step, attribute, estimator, slots, raters, first, second, pairs
with ratings as (
    select
        steps.step,
        steps.task_id,
        steps.response_id,
        steps.annotator,
        rubric.attribute,
        steps.scores[rubric.position]::bigint as score
    from steps
    cross join rubric
    where steps.scores[rubric.position] is not null
),

votes as (
    select step, task_id, response_id, attribute, score, count(*) as votes
    from ratings
    group by step, task_id, response_id, attribute, score
),

units as (
    select
        step,
        task_id,
        response_id,
        attribute,
        score,
        votes,
        (sum(votes) over (partition by step, task_id, response_id, attribute))::bigint as raters
    from votes
),

pooled as (
    select
        one.step,
        one.attribute,
        one.raters,
        one.score as first,
        other.score as second,
        sum(one.votes * other.votes - if(one.score = other.score, one.votes, 0))::bigint as pairs
    from units as one
    join units as other using (step, task_id, response_id, attribute)
    where one.raters >= 2
    group by one.step, one.attribute, one.raters, one.score, other.score
),

fixed_slots as (
    select
        one.step,
        one.attribute,
        concat_ws('|', one.annotator, other.annotator) as slots,
        one.score as first,
        other.score as second,
        count(*) as pairs
    from ratings as one
    join ratings as other using (step, task_id, response_id, attribute)
    where $fixed_slots and one.annotator < other.annotator
    group by one.step, one.attribute, one.annotator, other.annotator, one.score, other.score
)

select step, attribute, 'pooled' as estimator, '' as slots, raters, first, second, pairs
from pooled
where pairs > 0
union all
select step, attribute, 'fixed_slots', slots, 2, first, second, pairs
from fixed_slots
order by step, attribute, estimator, slots, raters, first, second
