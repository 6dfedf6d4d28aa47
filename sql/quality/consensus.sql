-- Step 6 of the agreement policy: the published rating of each response, the mean of those kept, rounded half up.
-- Rounding counts from the lowest step of the scale, so that whole numbers do for negative scales too.
-- An attribute with fewer than two values has neither rating nor spread.
-- inputs: retained_annotations, rubric
-- grain: task_id, response_id
-- output: campaign, task_id, response_id, position, scores, spreads, n_annotators, simulated
with kept as (
    select *
    from retained_annotations
    where stage = 'kept'
),

responses as (
    select
        task_id,
        response_id,
        min(campaign) as campaign,
        min(position) as position,
        count(*)::tinyint as n_annotators,
        bool_or(simulated) as simulated
    from kept
    group by task_id, response_id
),

values_given as (
    select
        kept.task_id,
        kept.response_id,
        rubric.position as attribute_position,
        rubric.lowest,
        count(kept.scores[rubric.position]) as n,
        sum(kept.scores[rubric.position] - rubric.lowest) as steps,
        max(kept.scores[rubric.position]::bigint) - min(kept.scores[rubric.position]::bigint) as spread
    from kept
    cross join rubric
    group by kept.task_id, kept.response_id, rubric.position, rubric.lowest
),

ratings as (
    select
        task_id,
        response_id,
        list(if(n >= 2, lowest + (2 * steps + n) // (2 * n), null)::tinyint order by attribute_position) as scores,
        list(if(n >= 2, spread, null)::tinyint order by attribute_position) as spreads
    from values_given
    group by task_id, response_id
)

select
    responses.campaign,
    responses.task_id,
    responses.response_id,
    responses.position,
    ratings.scores,
    ratings.spreads,
    responses.n_annotators,
    responses.simulated
from responses
join ratings using (task_id, response_id)
order by responses.task_id, responses.response_id
