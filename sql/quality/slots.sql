-- The trusted ballots in a fixed order, ready to be dealt anew; those of tasks with as many responses stand together.
-- inputs: rated
-- grain: word, task_id, rank
-- output: word, task_id, ballot, responses, contends, rank, annotators, bucket, task_key, annotator_key
select
    word,
    task_id,
    ballot,
    responses,
    contends,
    rank,
    annotators,
    bucket,
    task_key,
    annotator_key
from rated
where step >= 2
order by word, responses, task_key, rank
