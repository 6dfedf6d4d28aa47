-- Quadratic-weighted kappa of each attribute: as collected, as retained, and as the same filter retains shuffled
-- ratings.
-- inputs: agreement, rubric
-- parameters: estimator
-- grain: attribute
-- output: attribute, collected, retained, shuffled
select
    rubric.attribute,
    max(agreement.value) filter (where agreement.stage = 'collected') as collected,
    max(agreement.value) filter (where agreement.stage = 'retained') as retained,
    max(agreement.shuffled) filter (where agreement.stage = 'retained') as shuffled
from rubric
left join agreement
    on agreement.attribute = rubric.attribute
    and agreement.statistic = 'quadratic_kappa'
    and agreement.estimator = $estimator
group by rubric.attribute, rubric.position
order by rubric.position
