-- Krippendorff's alpha with the ordinal metric, from the coincidence matrix: 1 - (n - 1) * observed / expected
-- disagreement, where a response with m raters adds each of its ordered pairs with weight 1 / (m - 1), and two
-- scores are as far apart as values lie between them (Krippendorff 2011, Computing Krippendorff's
-- Alpha-Reliability). Distances are doubled, and so whole numbers; the factor cancels. Null without variation.
-- inputs: contingency
-- grain: step, attribute
-- output: step, attribute, value
with pooled as (
    select step, attribute, raters, first, second, pairs
    from contingency
    where estimator = 'pooled'
),

margins as (
    select step, attribute, raters, first as score, sum(pairs) // (raters - 1) as n
    from pooled
    group by step, attribute, raters, first
),

totals as (
    select step, attribute, score, sum(n) as n
    from margins
    group by step, attribute, score
),

ladder as (
    select step, attribute, score, n, sum(n) over (partition by step, attribute order by score) as up_to
    from totals
),

metric as (
    select
        low.step,
        low.attribute,
        low.score as first,
        high.score as second,
        low.n * high.n as chances,
        2 * (high.up_to - low.up_to) + low.n - high.n as distance
    from ladder as low
    join ladder as high using (step, attribute)
),

expected as (
    select step, attribute, sum(chances * distance * distance) as disagreement
    from metric
    group by step, attribute
),

observed_by_raters as (
    select
        pooled.step,
        pooled.attribute,
        pooled.raters,
        sum(pooled.pairs * metric.distance * metric.distance) / (pooled.raters - 1) as disagreement
    from pooled
    join metric using (step, attribute, first, second)
    group by pooled.step, pooled.attribute, pooled.raters
),

observed as (
    select step, attribute, sum(disagreement order by raters) as disagreement
    from observed_by_raters
    group by step, attribute
),

sizes as (
    select step, attribute, sum(n) as n
    from totals
    group by step, attribute
)

select
    sizes.step,
    sizes.attribute,
    1 - (sizes.n - 1) * observed.disagreement / nullif(expected.disagreement, 0) as value
from sizes
join observed using (step, attribute)
join expected using (step, attribute)
order by sizes.step, sizes.attribute
