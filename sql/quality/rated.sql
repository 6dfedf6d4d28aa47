-- Every ballot with the last step that it passes (1 `collected`, 2 `trusted`, 3 `closest`, 4 `retained`), whether it stood
-- for selection, its task's bucket (one of 200, by a hash of its id, within which all counts are kept apart, so that
-- intervals can be drawn from them), and random keys of task and annotator, by a hash of their ids.
-- inputs: ballots, fates
-- grain: task_id, annotator, word
-- output: task_id, annotator, word, ballot, responses, rank, annotators, step, contends, bucket, task_key, annotator_key
with tasks as (
    select task_id, md5_number_lower(task_id) as key
    from fates
    group by task_id
),

raters as (
    select annotator, md5_number_lower(annotator) as key
    from fates
    group by annotator
)

select
    ballots.task_id,
    ballots.annotator,
    ballots.word,
    ballots.ballot,
    ballots.responses,
    ballots.rank,
    ballots.annotators,
    case fates.stage
        when 'validity' then 1
        when 'trust' then 1
        when 'dispute' then 3
        when 'kept' then 4
        else 2
    end as step,
    fates.stage in ('closest', 'dispute', 'kept') as contends,
    (tasks.key % 200)::utinyint as bucket,
    tasks.key as task_key,
    raters.key as annotator_key
from ballots
join fates using (task_id, annotator)
join tasks using (task_id)
join raters using (annotator)
