-- The trusted ballots in a fixed order, ready to be dealt anew: with the place within the task's trusted annotators, and
-- with a random key of 64 bits from the ids. Tasks of as many responses stand together.
-- inputs: rated
-- grain: word, slot
-- output: word, slot, task_id, ballot, responses, contends, rank, annotators, bucket, key
with trusted as (
    select
        *,
        row_number() over (partition by word, task_id order by annotator) as seat,
        count(*) over (partition by word, task_id) as seats
    from rated
    where step >= 2
)

select
    word,
    row_number() over (partition by word order by responses, task_id, seat) as slot,
    task_id,
    ballot,
    responses,
    contends,
    seat as rank,
    seats as annotators,
    bucket,
    md5_number_lower(concat_ws('|', task_id, annotator)) as key
from trusted
