-- Step 3 of the agreement policy: how many trusted annotators each task of the campaign has, and how many
-- more it needs. A task is disputed if its trusted annotators differ by more than `max_range` in a
-- deciding attribute of any response. A task that its annotators flagged needs nobody.
-- inputs: judged, numbered_ratings, campaign_tasks, rubric
-- parameters: annotators, extra_when_disputed, max_annotators, max_range
-- grain: task_id
-- output: task_id, task, trusted, disputed, flagged, target, needed
with panels as (
    select
        task,
        count(*) filter (where stage is null) as trusted,
        bool_or(reason is not distinct from 'task_flagged') as flagged
    from judged
    group by task
),

left_already as (
    select task, annotator
    from judged
    where stage is not null
),

trusted_ratings as (
    select numbered_ratings.task, numbered_ratings.position, numbered_ratings.scores
    from numbered_ratings
    anti join left_already using (task, annotator)
),

ranges as (
    select
        trusted_ratings.task,
        max(trusted_ratings.scores[rubric.position])::integer
        - min(trusted_ratings.scores[rubric.position])::integer as range
    from trusted_ratings
    cross join rubric
    where rubric.decides
    group by trusted_ratings.task, trusted_ratings.position, rubric.position
),

disputes as (
    select task, coalesce(max(range) > $max_range, false) as disputed
    from ranges
    group by task
),

targets as (
    select
        campaign_tasks.task_id,
        campaign_tasks.task,
        coalesce(panels.trusted, 0) as trusted,
        coalesce(disputes.disputed, false) as disputed,
        coalesce(panels.flagged, false) as flagged,
        least(
            $max_annotators::bigint,
            $annotators::bigint + if(coalesce(disputes.disputed, false), $extra_when_disputed::bigint, 0)
        ) as target
    from campaign_tasks
    left join panels using (task)
    left join disputes using (task)
)

select
    task_id,
    task,
    trusted,
    disputed,
    flagged,
    target,
    if(flagged, 0, greatest(0, target - trusted)) as needed
from targets
