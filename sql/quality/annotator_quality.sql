-- Each annotator's record, and whether the ratings can be trusted, by the first rule that the record breaks.
-- Distances are in steps of the scale, from the mean of all others who rated the same response of the same task,
-- over all responses and attributes; a mean of the others is (sum - x) / (n - 1), so that
-- x is (n * x - sum) / (n - 1) away from it. Two annotators whose tasks are too often identical are both set
-- aside, since ratings cannot tell who copied; beside their share stands that of all other pairs, which is chance. Where
-- ratings are much alike anyway, identical tasks are no copies: a pair has to be four standard errors beyond chance, too.
-- Agreement is the share of the others' ratings that are the same number; its interval is Wilson's at 95 %, over tasks, as
-- ratings within a task are not independent. A figure without evidence is null, and breaks no rule.
-- inputs: annotations, control_annotations, rubric
-- parameters: min_tasks, max_deviation, max_bias, max_straight_lining, max_identical, min_shared_tasks, min_seconds,
-- min_agreement, max_position_bias, min_gold_accuracy, min_self_consistency
-- grain: annotator
-- output: campaign, annotator, vendor, tasks, deviation, bias, straight_lining, identical, identical_with,
-- shared_tasks, flagged, trusted, rule, figure, threshold, ratings, seconds_per_task, agreement, agreement_low,
-- agreement_high, first_preferred, preferences, gold_accuracy, self_consistency, identical_by_chance
with annotators as (
    select
        annotator,
        min(campaign) as campaign,
        min(vendor) as vendor,
        count(*) filter (where len(flags) > 0) / count(*) as flagged
    from annotations
    group by annotator
),

ratings as (
    select
        annotations.task_id,
        annotations.response_id,
        annotations.annotator,
        rubric.position,
        annotations.scores[rubric.position]::bigint as score
    from annotations
    cross join rubric
    where annotations.scores[rubric.position] is not null
),

beside_others as (
    select
        task_id,
        annotator,
        score,
        count(*) over same_thing as raters,
        sum(score) over same_thing as sum_of_all,
        count(*) over (partition by task_id, response_id, position, score) as raters_of_same
    from ratings
    window same_thing as (partition by task_id, response_id, position)
),

agreements as (
    select
        annotator,
        count(distinct task_id)::double as tasks,
        sum(raters_of_same - 1) / sum(raters - 1) as agreement
    from beside_others
    where raters > 1
    group by annotator
),

intervals as (
    select
        annotator,
        agreement,
        (agreement + 1.9208 / tasks) / (1 + 3.8416 / tasks) as middle,
        1.96 * sqrt(agreement * (1 - agreement) / tasks + 0.9604 / (tasks * tasks)) / (1 + 3.8416 / tasks) as reach
    from agreements
),

sessions as (
    select task_id, annotator, max(seconds)::double as seconds, min(preference) as preference
    from annotations
    group by task_id, annotator
),

manners as (
    select
        annotator,
        median(seconds) as seconds_per_task,
        count(preference) as preferences,
        count(*) filter (where preference < 0) / nullif(count(preference), 0) as first_preferred
    from sessions
    group by annotator
),

gold as (
    select
        control_annotations.annotator,
        count(*) filter (scores[rubric.position] = expected[rubric.position])
        / nullif(count(scores[rubric.position]), 0) as accuracy
    from control_annotations
    cross join rubric
    where kind = 'gold' and expected[rubric.position] is not null
    group by control_annotations.annotator
),

repeats as (
    select
        control_annotations.annotator,
        count(*) filter (control_annotations.scores[rubric.position] = annotations.scores[rubric.position])
        / nullif(count(control_annotations.scores[rubric.position]), 0) as consistency
    from control_annotations
    join annotations
        on
            control_annotations.of_task_id = annotations.task_id
            and control_annotations.of_response_id = annotations.response_id
            and control_annotations.annotator = annotations.annotator
    cross join rubric
    where kind = 'repeat' and annotations.scores[rubric.position] is not null
    group by control_annotations.annotator
),

amounts as (
    select annotator, count(*) as ratings
    from ratings
    group by annotator
),

distances as (
    select
        annotator,
        raters,
        count(*) as ratings,
        sum(abs(raters * score - sum_of_all)) as absolute,
        sum(raters * score - sum_of_all) as signed
    from beside_others
    where raters > 1
    group by annotator, raters
),

deviations as (
    select
        annotator,
        sum(absolute / (raters - 1) order by raters) / sum(ratings) as deviation,
        sum(signed / (raters - 1) order by raters) / sum(ratings) as bias
    from distances
    group by annotator
),

rated_tasks as (
    select
        task_id,
        annotator,
        count(*) as scores,
        min(score) = max(score) as one_number,
        list((response_id, position, score) order by response_id, position) as all_scores
    from ratings
    group by task_id, annotator
),

habits as (
    select
        annotator,
        count(*) as tasks,
        count(*) filter (where scores > 2 and one_number)
        / nullif(count(*) filter (where scores > 2), 0) as straight_lining
    from rated_tasks
    group by annotator
),

likenesses as (
    select
        one.annotator,
        other.annotator as identical_with,
        count(*) as shared_tasks,
        count(*) filter (where one.all_scores = other.all_scores) as same_tasks,
        count(*) filter (where one.all_scores = other.all_scores) / count(*) as identical
    from rated_tasks as one
    join rated_tasks as other on one.task_id = other.task_id and one.annotator <> other.annotator
    group by one.annotator, other.annotator
    having count(*) >= $min_shared_tasks
),

-- each pair stands in the likenesses twice
likest as (
    select
        annotator,
        identical_with,
        shared_tasks,
        identical,
        (sum(same_tasks) over () - 2 * same_tasks)
        / nullif(sum(shared_tasks) over () - 2 * shared_tasks, 0) as identical_by_chance
    from likenesses
    qualify
        row_number() over (
            partition by annotator
            order by identical desc, shared_tasks desc, identical_with
        ) = 1
),

records as (
    select
        annotators.campaign,
        annotators.annotator,
        annotators.vendor,
        coalesce(habits.tasks, 0) as tasks,
        deviations.deviation,
        deviations.bias,
        habits.straight_lining,
        likest.identical,
        likest.identical_with,
        coalesce(likest.shared_tasks, 0) as shared_tasks,
        annotators.flagged,
        coalesce(amounts.ratings, 0) as ratings,
        manners.seconds_per_task,
        intervals.agreement,
        greatest(intervals.middle - intervals.reach, 0) as agreement_low,
        least(intervals.middle + intervals.reach, 1) as agreement_high,
        manners.first_preferred,
        manners.preferences,
        gold.accuracy as gold_accuracy,
        repeats.consistency as self_consistency,
        likest.identical_by_chance
    from annotators
    left join gold using (annotator)
    left join repeats using (annotator)
    left join amounts using (annotator)
    left join manners using (annotator)
    left join intervals using (annotator)
    left join habits using (annotator)
    left join deviations using (annotator)
    left join likest using (annotator)
),

broken_rules as (
    select records.annotator, rules.rule, rules.figure, rules.threshold
    from records
    cross join
        lateral (
            values
            -- A bias makes a deviation too, and says more.
            (1, 'bias', abs(records.bias), $max_bias::double),
            (2, 'deviation', records.deviation, $max_deviation::double),
            (3, 'straight_lining', records.straight_lining, $max_straight_lining::double),
            (
                4,
                'identical',
                case
                    when
                        records.identical - coalesce(records.identical_by_chance, 0)
                        > 4 * sqrt(
                            coalesce(records.identical_by_chance * (1 - records.identical_by_chance), 0)
                            / records.shared_tasks
                        )
                        then records.identical
                end,
                $max_identical::double
            ),
            -- What must not be too small stands here negative.
            (5, 'seconds', -records.seconds_per_task, -$min_seconds::double),
            (6, 'agreement', -records.agreement_high, -$min_agreement::double),
            (7, 'position_bias', abs(2 * records.first_preferred - 1), $max_position_bias::double),
            (8, 'gold', -records.gold_accuracy, -$min_gold_accuracy::double),
            (9, 'self_consistency', -records.self_consistency, -$min_self_consistency::double)
        ) as rules (place, rule, figure, threshold)
    where records.tasks >= $min_tasks and rules.figure > rules.threshold
    qualify row_number() over (partition by records.annotator order by rules.place) = 1
)

select
    records.campaign,
    records.annotator,
    records.vendor,
    records.tasks,
    records.deviation,
    records.bias,
    records.straight_lining,
    records.identical,
    records.identical_with,
    records.shared_tasks,
    records.flagged,
    broken_rules.rule is null as trusted,
    broken_rules.rule,
    abs(broken_rules.figure) as figure,
    abs(broken_rules.threshold) as threshold,
    records.ratings,
    records.seconds_per_task,
    records.agreement,
    records.agreement_low,
    records.agreement_high,
    records.first_preferred,
    records.preferences,
    records.gold_accuracy,
    records.self_consistency,
    records.identical_by_chance
from records
left join broken_rules using (annotator)
order by records.annotator
