-- How often each model's response was better than each other's in the same task: by preference where the release has
-- preferences (a tie is one that is too even to round to either side), by the first deciding attribute otherwise.
-- inputs: rated_responses, task_preferences, task_fates, rubric
-- grain: model, opponent
-- output: model, opponent, wins, ties, losses
with reference as (
    select min(position) as position, (select count(*) > 0 from task_preferences) as by_preference
    from rubric
    where decides
),

shown as (
    select
        task_id,
        coalesce(arg_min(model, position), 'unknown') as model_1,
        coalesce(arg_max(model, position), 'unknown') as model_2,
        arg_min(scores, position) as scores_1,
        arg_max(scores, position) as scores_2
    from rated_responses
    group by task_id
    having count(*) = 2
),

judged as (
    select
        shown.model_1,
        shown.model_2,
        case
            when not reference.by_preference
                then sign(shown.scores_2[reference.position] - shown.scores_1[reference.position])
            when task_fates.preference_reason = 'tie' then 0
            else sign(task_preferences.preference_strength)
        end as better
    from shown
    cross join reference
    join task_fates using (task_id)
    left join task_preferences using (task_id)
    where shown.model_1 <> shown.model_2
),

both_ways as (
    select model_1 as model, model_2 as opponent, -better as won
    from judged
    where better is not null
    union all
    select model_2 as model, model_1 as opponent, better as won
    from judged
    where better is not null
)

select
    model,
    opponent,
    count(*) filter (where won > 0) as wins,
    count(*) filter (where won = 0) as ties,
    count(*) filter (where won < 0) as losses
from both_ways
group by model, opponent
order by model, opponent
