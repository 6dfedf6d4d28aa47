-- The figures of agreement, each beside its mean over the shuffles in which it is defined. What was collected
-- is not selected by anything, and has no shuffled figure.
-- inputs: figures, shuffled_figures
-- parameters: campaign
-- grain: stage, attribute, statistic, estimator
-- output: campaign, stage, attribute, statistic, estimator, value, shuffled, units, pairs
with means as (
    select step, attribute, statistic, estimator, avg(value order by shuffle) as value
    from shuffled_figures
    where step <> 'collected'
    group by step, attribute, statistic, estimator
)

select
    $campaign::varchar as campaign,
    figures.step as stage,
    figures.attribute,
    figures.statistic,
    figures.estimator,
    figures.value,
    means.value as shuffled,
    figures.units,
    figures.pairs
from figures
left join means using (step, attribute, statistic, estimator)
order by stage, figures.attribute, figures.statistic, figures.estimator
