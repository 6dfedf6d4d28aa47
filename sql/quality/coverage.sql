-- Step 3 of the agreement policy: how many trusted annotators each task of the campaign has, and how many
-- more it needs. A task is disputed if its trusted annotators differ by more than `max_range` in a
-- deciding attribute of any response. A task that its annotators flagged needs nobody.
-- inputs: judged, ballots, masks, annotation_tasks
-- parameters: annotators, extra_when_disputed, max_annotators
-- grain: task_id
-- output: task_id, trusted, disputed, flagged, target, needed
with campaign_tasks as (
    select distinct task_id
    from annotation_tasks
),

left_already as (
    select task_id, annotator, reason
    from judged
    where stage is not null
),

extremes as (
    select
        ballots.task_id,
        ballots.word,
        count(*) as trusted,
        xor(bit_or(ballots.ballot), bit_and(ballots.ballot)) as bits
    from ballots
    anti join left_already using (task_id, annotator)
    group by ballots.task_id, ballots.word
),

counts as (
    select
        extremes.task_id,
        max(extremes.trusted) as trusted,
        bool_or((extremes.bits & (extremes.bits >> masks.max_range) & masks.wide) <> 0) as disputed
    from extremes
    join masks using (word)
    group by extremes.task_id
),

flagged_tasks as (
    select distinct task_id
    from left_already
    where reason = 'task_flagged'
),

targets as (
    select
        campaign_tasks.task_id,
        coalesce(counts.trusted, 0) as trusted,
        coalesce(counts.disputed, false) as disputed,
        flagged_tasks.task_id is not null as flagged,
        least(
            $max_annotators::bigint,
            $annotators::bigint + if(coalesce(counts.disputed, false), $extra_when_disputed::bigint, 0)
        ) as target
    from campaign_tasks
    left join counts using (task_id)
    left join flagged_tasks using (task_id)
)

select
    task_id,
    trusted,
    disputed,
    flagged,
    target,
    if(flagged, 0, greatest(0, target - trusted)) as needed
from targets
