-- Mean, standard deviation (of the sample) and Pearson correlation with the first deciding
-- attribute, in the shape of HelpSteer2's table 2 (arXiv 2406.08673): of each attribute, and of the
-- lengths beside them. All sums are of integers, so that no order of adding can change a digit.
-- inputs: rated_responses, rubric
-- grain: place
-- output: place, measure, n, mean, deviation, correlation
with reference as (
    select min(position) as position
    from rubric
    where decides
),

measured as (
    select
        rubric.position as place,
        rubric.attribute as measure,
        rated_responses.scores[rubric.position]::hugeint as x,
        rated_responses.scores[reference.position]::hugeint as y
    from rated_responses
    cross join rubric
    cross join reference
    union all
    select
        lengths.place,
        lengths.measure,
        case lengths.place
            when 1001 then rated_responses.turns
            when 1002 then rated_responses.prompt_chars
            else rated_responses.response_chars
        end::hugeint,
        rated_responses.scores[reference.position]::hugeint
    from rated_responses
    cross join reference
    cross join (
        values
        (1001, 'messages in the prompt'),
        (1002, 'characters of the prompt'),
        (1003, 'characters of the response')
    ) as lengths (place, measure)
),

sums as (
    select
        place,
        measure,
        count(x) as n,
        sum(x) as x,
        sum(x * x) as xx,
        count(*) filter (where x is not null and y is not null) as m,
        sum(x) filter (where y is not null) as px,
        sum(x * x) filter (where y is not null) as pxx,
        sum(y) filter (where x is not null) as py,
        sum(y * y) filter (where x is not null) as pyy,
        sum(x * y) as pxy
    from measured
    group by place, measure
)

select
    place,
    measure,
    n,
    x / nullif(n, 0) as mean,
    if(n > 1, sqrt((n * xx - x * x) / (n * (n - 1))), null) as deviation,
    (m * pxy - px * py)
    / nullif(sqrt((m * pxx - px * px)::double) * sqrt((m * pyy - py * py)::double), 0) as correlation
from sums
order by place
