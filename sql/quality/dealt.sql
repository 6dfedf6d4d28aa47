-- The trusted ballots shuffled: whole task-annotations (all responses, all attributes of one annotator) are permuted
-- across the tasks of the campaign, which has one vendor, that have as many responses. Each task keeps its annotators'
-- places and their number. Slots are in their order, and what was drawn is dealt one by one.
-- inputs: slots, drawn
-- grain: task_id, word, rank
-- output: word, task_id, ballot, responses, contends, rank, annotators, bucket
select
    slots.word,
    slots.task_id,
    drawn.ballot,
    slots.responses,
    slots.contends,
    slots.rank,
    slots.annotators,
    slots.bucket
from slots
positional join drawn
