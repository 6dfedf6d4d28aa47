-- All figures of agreement of one outcome, real or shuffled: every statistic of every attribute at every step, and
-- the share of tasks and of annotations that is left at each step. Null where a figure is undefined.
-- inputs: steps, rubric, contingency, quadratic_kappa, ordinal_alpha
-- parameters: fixed_slots
-- grain: step, attribute, statistic, estimator
-- output: step, attribute, statistic, estimator, value, units, pairs
with step_sizes as (
    select
        names.step,
        count(distinct steps.task_id) as tasks,
        count(steps.response_id) as annotations
    from (values ('collected'), ('trusted'), ('closest'), ('retained')) as names (step)
    left join steps using (step)
    group by names.step
),

collected as (
    select tasks, annotations
    from step_sizes
    where step = 'collected' and annotations > 0
),

by_raters as (
    select step, attribute, sum(pairs) // (raters * (raters - 1)) as units, sum(pairs) // 2 as pairs
    from contingency
    where estimator = 'pooled'
    group by step, attribute, raters
),

evidence as (
    select step, attribute, sum(units) as units, sum(pairs) as pairs
    from by_raters
    group by step, attribute
),

statistics as (
    select step, attribute, 'quadratic_kappa' as statistic, estimator, value
    from quadratic_kappa
    union all
    select step, attribute, 'ordinal_alpha', 'pooled', value
    from ordinal_alpha
),

wanted as (
    select statistic, estimator
    from (
        values
        ('quadratic_kappa', 'pooled'),
        ('quadratic_kappa', 'fixed_slots'),
        ('ordinal_alpha', 'pooled')
    ) as wanted (statistic, estimator)
    where estimator = 'pooled' or $fixed_slots
)

select
    step_sizes.step,
    rubric.attribute,
    wanted.statistic,
    wanted.estimator,
    statistics.value,
    coalesce(evidence.units, 0)::bigint as units,
    coalesce(evidence.pairs, 0)::bigint as pairs
from collected
cross join step_sizes
cross join rubric
cross join wanted
left join statistics
    on
        step_sizes.step = statistics.step
        and rubric.attribute = statistics.attribute
        and wanted.statistic = statistics.statistic
        and wanted.estimator = statistics.estimator
left join evidence on step_sizes.step = evidence.step and rubric.attribute = evidence.attribute
union all
select
    step_sizes.step,
    '*',
    'task_retention',
    'none',
    step_sizes.tasks / collected.tasks,
    collected.tasks,
    null
from collected
cross join step_sizes
union all
select
    step_sizes.step,
    '*',
    'annotation_retention',
    'none',
    step_sizes.annotations / collected.annotations,
    collected.annotations,
    null
from collected
cross join step_sizes
order by step, attribute, statistic, estimator
