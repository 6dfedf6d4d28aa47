-- Pearson's correlation between any two of the attributes and the response's length. All sums are of integers, so that
-- no order of adding can change a digit.
-- inputs: rated_responses, rubric
-- grain: row_place, column_place
-- output: row_place, row_measure, column_place, column_measure, correlation
with measures as (
    select position as place, attribute as measure
    from rubric
    union all
    select 1001 as place, 'characters' as measure
),

pairs as (
    select
        a.place as row_place,
        a.measure as row_measure,
        b.place as column_place,
        b.measure as column_measure
    from measures as a
    join measures as b on a.place > b.place
),

measured as (
    select
        pairs.*,
        if(row_place = 1001, rated_responses.response_chars, rated_responses.scores[row_place])::hugeint as x,
        rated_responses.scores[column_place]::hugeint as y
    from rated_responses
    cross join pairs
),

sums as (
    select
        row_place,
        row_measure,
        column_place,
        column_measure,
        count(*) as n,
        sum(x) as x,
        sum(y) as y,
        sum(x * x) as xx,
        sum(y * y) as yy,
        sum(x * y) as xy
    from measured
    where x is not null and y is not null
    group by all
)

select
    row_place,
    row_measure,
    column_place,
    column_measure,
    (n * xy - x * y) / nullif(sqrt((n * xx - x * x)::double) * sqrt((n * yy - y * y)::double), 0) as correlation
from sums
order by row_place, column_place
