-- Every ballot with the last step that it passes (1 `collected`, 2 `trusted`, 3 `closest`, 4 `retained`), whether it stood
-- for selection, its annotator's place in the sorted order of the task's, and the task's bucket: one of 200, by a hash of
-- its id, within which all counts are kept apart, so that intervals can be drawn from them.
-- inputs: ballots, fates
-- grain: task_id, annotator, word
-- output: task_id, annotator, word, ballot, responses, step, contends, rank, annotators, bucket
select
    ballots.task_id,
    ballots.annotator,
    ballots.word,
    ballots.ballot,
    ballots.responses::integer as responses,
    case fates.stage
        when 'validity' then 1
        when 'trust' then 1
        when 'dispute' then 3
        when 'kept' then 4
        else 2
    end as step,
    fates.stage in ('closest', 'dispute', 'kept') as contends,
    row_number() over (partition by ballots.task_id, ballots.word order by ballots.annotator) as rank,
    count(*) over (partition by ballots.task_id, ballots.word) as annotators,
    (md5_number_lower(ballots.task_id) % 200)::utinyint as bucket
from ballots
join fates using (task_id, annotator)
