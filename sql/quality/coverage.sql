-- Step 3 of the agreement policy: how many trusted annotators each task of the campaign has, and how many
-- more it needs. A task is disputed if its trusted annotators differ by more than `max_range` in a
-- deciding attribute of any response. A task that its annotators flagged needs nobody.
-- inputs: judged, annotation_tasks, rubric
-- parameters: annotators, extra_when_disputed, max_annotators, max_range
-- grain: task_id
-- output: task_id, trusted, disputed, flagged, target, needed
with campaign_tasks as (
    select distinct task_id
    from annotation_tasks
),

counts as (
    select
        task_id,
        count(distinct annotator) filter (where stage is null) as trusted,
        bool_or(reason is not distinct from 'task_flagged') as flagged
    from judged
    group by task_id
),

ranges as (
    select
        judged.task_id,
        max(judged.scores[rubric.position]::integer) - min(judged.scores[rubric.position]::integer) as range
    from judged
    cross join rubric
    where judged.stage is null and rubric.decides
    group by judged.task_id, judged.response_id, rubric.position
),

disputes as (
    select task_id, max(range) > $max_range as disputed
    from ranges
    group by task_id
),

targets as (
    select
        campaign_tasks.task_id,
        coalesce(counts.trusted, 0) as trusted,
        coalesce(disputes.disputed, false) as disputed,
        coalesce(counts.flagged, false) as flagged,
        least(
            $max_annotators::bigint,
            $annotators::bigint + if(coalesce(disputes.disputed, false), $extra_when_disputed::bigint, 0)
        ) as target
    from campaign_tasks
    left join counts using (task_id)
    left join disputes using (task_id)
)

select
    task_id,
    trusted,
    disputed,
    flagged,
    target,
    if(flagged, 0, greatest(0, target - trusted)) as needed
from targets
order by task_id
