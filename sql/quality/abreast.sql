-- The ballots of each task of up to five annotators side by side, with the last step that each passes.
-- inputs: rated
-- parameters: most_abreast
-- grain: task_id, word
-- output: task_id, word, bucket, ballot_1, ballot_2, ballot_3, ballot_4, ballot_5, step_1, step_2, step_3, step_4, step_5
select
    task_id,
    word,
    min(bucket) as bucket,
    max(try_cast(ballot as ubigint)) filter (where rank = 1) as ballot_1,
    max(try_cast(ballot as ubigint)) filter (where rank = 2) as ballot_2,
    max(try_cast(ballot as ubigint)) filter (where rank = 3) as ballot_3,
    max(try_cast(ballot as ubigint)) filter (where rank = 4) as ballot_4,
    max(try_cast(ballot as ubigint)) filter (where rank = 5) as ballot_5,
    max(step) filter (where rank = 1) as step_1,
    max(step) filter (where rank = 2) as step_2,
    max(step) filter (where rank = 3) as step_3,
    max(step) filter (where rank = 4) as step_4,
    max(step) filter (where rank = 5) as step_5
from rated
where annotators <= $most_abreast
group by task_id, word
