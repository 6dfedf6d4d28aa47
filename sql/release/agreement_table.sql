-- The figures of agreement that a data card quotes, as a table: a row for each attribute, and for each stage the figure
-- beside the same figure on shuffled ratings.
-- inputs: agreement, rubric
-- grain: campaign, statistic, estimator, attribute
-- output: campaign, statistic, estimator, attribute, collected, collected_shuffled, trusted, trusted_shuffled,
--   closest, closest_shuffled, retained, retained_shuffled
select
    agreement.campaign,
    agreement.statistic,
    agreement.estimator,
    agreement.attribute,
    max(agreement.value) filter (where agreement.stage = 'collected') as collected,
    max(agreement.shuffled) filter (where agreement.stage = 'collected') as collected_shuffled,
    max(agreement.value) filter (where agreement.stage = 'trusted') as trusted,
    max(agreement.shuffled) filter (where agreement.stage = 'trusted') as trusted_shuffled,
    max(agreement.value) filter (where agreement.stage = 'closest') as closest,
    max(agreement.shuffled) filter (where agreement.stage = 'closest') as closest_shuffled,
    max(agreement.value) filter (where agreement.stage = 'retained') as retained,
    max(agreement.shuffled) filter (where agreement.stage = 'retained') as retained_shuffled
from agreement
left join rubric using (attribute)
where agreement.statistic in ('quadratic_kappa', 'ordinal_alpha', 'task_retention', 'annotation_retention')
group by agreement.campaign, agreement.statistic, agreement.estimator, agreement.attribute, rubric.position
order by agreement.campaign, agreement.statistic, agreement.estimator, rubric.position, agreement.attribute
