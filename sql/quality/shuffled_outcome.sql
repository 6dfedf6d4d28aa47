-- The shuffled annotations with the stage that they reach when steps 4 and 5 of the policy run on them.
-- inputs: shuffled, chosen
-- grain: task_id, response_id, annotator
-- output: task_id, response_id, annotator, scores, stage
select
    shuffled.task_id,
    shuffled.response_id,
    shuffled.annotator,
    shuffled.scores,
    coalesce(chosen.stage, shuffled.stage) as stage
from shuffled
left join chosen using (task_id, annotator)
order by shuffled.task_id, shuffled.response_id, shuffled.annotator
