-- The ballots that stand for selection: those of trusted annotators, in tasks that wait for nobody and have enough of
-- them. A closed campaign waits for nobody, so its tasks stand as soon as they have enough.
-- inputs: ballots, judged, coverage
-- parameters: annotators, closed
-- grain: task_id, annotator, word
-- output: task_id, annotator, word, ballot, rank, annotators
with left_already as (
    select task_id, annotator
    from judged
    where stage is not null
),

waiting as (
    select task_id
    from coverage
    where trusted < $annotators or (needed > 0 and not $closed)
)

select
    ballots.task_id,
    ballots.annotator,
    ballots.word,
    ballots.ballot,
    ballots.rank,
    ballots.annotators
from ballots
anti join left_already using (task_id, annotator)
anti join waiting using (task_id)
