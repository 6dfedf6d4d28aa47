-- The ballots of tasks with more annotators than stand side by side in `abreast`.
-- inputs: rated
-- parameters: most_abreast
-- grain: task_id, annotator, word
-- output: task_id, annotator, word, ballot, responses, step, bucket
select task_id, annotator, word, ballot, responses, step, bucket
from rated
where annotators > $most_abreast
