-- Tasks and annotations that pass each step.
-- inputs: rated
-- grain: step, bucket
-- output: step, bucket, tasks, annotations
with tasks as (
    select
        task_id,
        bucket,
        max(step) as last,
        sum(responses) as passing_1,
        sum(responses) filter (where step >= 2) as passing_2,
        sum(responses) filter (where step >= 3) as passing_3,
        sum(responses) filter (where step >= 4) as passing_4
    from rated
    where word = 0
    group by task_id, bucket
)

select
    steps.step,
    tasks.bucket,
    count(*) filter (where tasks.last >= steps.step) as tasks,
    coalesce(sum([passing_1, passing_2, passing_3, passing_4][steps.step]), 0)::bigint as annotations
from tasks
cross join (select unnest([1, 2, 3, 4]) as step) as steps
group by steps.step, tasks.bucket
