-- The ballots that stand for selection, with their annotator's place in the sorted order of the task's, and how many
-- there are: those of trusted annotators, in tasks that wait for nobody and have enough of them. A closed campaign
-- waits for nobody, so its tasks stand as soon as they have enough.
-- inputs: ballots, judged, coverage
-- parameters: annotators, closed
-- grain: task_id, annotator, word
-- output: task_id, annotator, word, ballot, rank, annotators
with left_already as (
    select task_id, annotator
    from judged
    where stage is not null
)

select
    ballots.task_id,
    ballots.annotator,
    ballots.word,
    ballots.ballot,
    row_number() over (partition by ballots.task_id, ballots.word order by ballots.annotator) as rank,
    coverage.trusted as annotators
from ballots
join coverage using (task_id)
anti join left_already using (task_id, annotator)
where coverage.trusted >= $annotators and (coverage.needed = 0 or $closed)
