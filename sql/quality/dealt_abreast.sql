-- The shuffled ballots of each task of up to five annotators side by side.
-- inputs: dealt
-- parameters: most_abreast
-- grain: task_id, word
-- output: task_id, word, bucket, responses, contends, ballot_1, ballot_2, ballot_3, ballot_4, ballot_5
select
    task_id,
    word,
    min(bucket) as bucket,
    min(responses) as responses,
    bool_or(contends) as contends,
    max(try_cast(ballot as ubigint)) filter (where rank = 1) as ballot_1,
    max(try_cast(ballot as ubigint)) filter (where rank = 2) as ballot_2,
    max(try_cast(ballot as ubigint)) filter (where rank = 3) as ballot_3,
    max(try_cast(ballot as ubigint)) filter (where rank = 4) as ballot_4,
    max(try_cast(ballot as ubigint)) filter (where rank = 5) as ballot_5
from dealt
where annotators <= $most_abreast
group by task_id, word
