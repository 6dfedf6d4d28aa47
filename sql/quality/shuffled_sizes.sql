-- Tasks and annotations that pass each step from `trusted` on, of shuffled ballots.
-- inputs: abreast, crowds, dealt_abreast
-- grain: step, bucket
-- output: step, bucket, tasks, annotations
with steps as (
    select unnest([2, 3, 4]) as step
),

side_by_side as (
    select
        shuffled.bucket,
        dealt_abreast.responses,
        [
            2,
            (shuffled.step_1 >= 2 and shuffled.ballot_1 is not null)::integer
            + (shuffled.step_2 >= 2 and shuffled.ballot_2 is not null)::integer
            + (shuffled.step_3 >= 2 and shuffled.ballot_3 is not null)::integer
            + (shuffled.step_4 >= 2 and shuffled.ballot_4 is not null)::integer
            + (shuffled.step_5 >= 2 and shuffled.ballot_5 is not null)::integer,
            (shuffled.step_1 >= 3)::integer + (shuffled.step_2 >= 3)::integer + (shuffled.step_3 >= 3)::integer
            + (shuffled.step_4 >= 3)::integer + (shuffled.step_5 >= 3)::integer,
            (shuffled.step_1 = 4)::integer + (shuffled.step_2 = 4)::integer + (shuffled.step_3 = 4)::integer
            + (shuffled.step_4 = 4)::integer + (shuffled.step_5 = 4)::integer
        ] as passing
    from abreast as shuffled
    join dealt_abreast using (task_id, word)
    where shuffled.word = 0
),

crowd_tasks as (
    select bucket, task_id, step, responses
    from crowds
    where word = 0
),

counted as (
    select
        steps.step,
        side_by_side.bucket,
        count(*) as tasks,
        sum(side_by_side.passing[steps.step] * side_by_side.responses) as annotations
    from side_by_side
    join steps on side_by_side.passing[steps.step] > 0
    group by steps.step, side_by_side.bucket
    union all
    select steps.step, crowd_tasks.bucket, count(distinct crowd_tasks.task_id), sum(crowd_tasks.responses)
    from crowd_tasks
    join steps on crowd_tasks.step >= steps.step
    group by steps.step, crowd_tasks.bucket
)

select step, bucket, sum(tasks)::bigint as tasks, sum(annotations)::bigint as annotations
from counted
group by step, bucket
