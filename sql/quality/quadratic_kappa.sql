-- Cohen's kappa with quadratic weights: 1 - N * sum(d2 * observed) / sum(d2 * row total * column total), where d2
-- is the squared distance on the scale (Cohen 1968, Psychological Bulletin 70). The figure of
-- `fixed_slots` is the mean over the pairs of annotators for which kappa is defined.
-- Null without variation.
-- inputs: contingency
-- grain: step, attribute, estimator
-- output: step, attribute, estimator, value
with observed as (
    select
        step,
        attribute,
        estimator,
        slots,
        sum(pairs) as pairs,
        sum(pairs * (first - second) * (first - second)) as disagreement
    from contingency
    group by step, attribute, estimator, slots
),

firsts as (
    select step, attribute, estimator, slots, first as score, sum(pairs) as pairs
    from contingency
    group by step, attribute, estimator, slots, first
),

seconds as (
    select step, attribute, estimator, slots, second as score, sum(pairs) as pairs
    from contingency
    group by step, attribute, estimator, slots, second
),

expected as (
    select
        firsts.step,
        firsts.attribute,
        firsts.estimator,
        firsts.slots,
        sum(
            firsts.pairs * seconds.pairs * (firsts.score - seconds.score) * (firsts.score - seconds.score)
        ) as disagreement
    from firsts
    join seconds using (step, attribute, estimator, slots)
    group by firsts.step, firsts.attribute, firsts.estimator, firsts.slots
),

kappas as (
    select
        observed.step,
        observed.attribute,
        observed.estimator,
        observed.slots,
        1 - observed.pairs * observed.disagreement / nullif(expected.disagreement, 0) as kappa
    from observed
    join expected using (step, attribute, estimator, slots)
)

select step, attribute, estimator, avg(kappa order by slots) as value
from kappas
group by step, attribute, estimator
order by step, attribute, estimator
