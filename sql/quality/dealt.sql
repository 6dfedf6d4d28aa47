-- The trusted ballots shuffled: whole task-annotations (all responses, all attributes of one annotator) are permuted
-- across the tasks of the campaign, which has one vendor, that have as many responses. Each task keeps its annotators'
-- places and their number. The order is that of a random linear function of the keys, modulo a prime, by its factors.
-- inputs: slots
-- parameters: high_factor, low_factor
-- grain: word, slot
-- output: word, slot, task_id, ballot, responses, contends, rank, annotators, bucket
with drawn as (
    select
        word,
        ballot,
        row_number() over (
            partition by word
            order by
                responses,
                (
                    (key >> 32::ubigint) * $high_factor::ubigint % 2147483647
                    + (key & 4294967295) * $low_factor::ubigint
                ) % 2147483647,
                key
        ) as slot
    from slots
)

select
    slots.word,
    slots.slot,
    slots.task_id,
    drawn.ballot,
    slots.responses,
    slots.contends,
    slots.rank,
    slots.annotators,
    slots.bucket
from slots
join drawn using (word, slot)
