-- The mean of the first deciding attribute over responses of like length: ten groups of one size, shortest first.
-- inputs: rated_responses, rubric
-- grain: tenth
-- output: tenth, responses, shortest, longest, mean
with reference as (
    select min(position) as position
    from rubric
    where decides
),

grouped as (
    select
        rated_responses.response_chars as chars,
        rated_responses.scores[reference.position]::bigint as score,
        ntile(10) over (order by rated_responses.response_chars, task_id, rated_responses.position) as tenth
    from rated_responses
    cross join reference
    where rated_responses.scores[reference.position] is not null
)

select
    tenth,
    count(*) as responses,
    min(chars) as shortest,
    max(chars) as longest,
    sum(score) / count(*) as mean
from grouped
group by tenth
order by tenth
