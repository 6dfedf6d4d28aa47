-- Released responses with their text, a stretch of places: the rows of the `data` files.
-- inputs: rated_responses, annotation_tasks
-- parameters: first, last, lowest_task, highest_task
-- grain: place
-- output: place, task_id, response_id, prompt_id, campaign, model, vendor, messages, response, scores, spreads,
--   n_annotators, simulated, split
select
    rated_responses.place,
    rated_responses.task_id,
    rated_responses.response_id,
    rated_responses.prompt_id,
    rated_responses.campaign,
    rated_responses.model,
    rated_responses.vendor,
    annotation_tasks.messages,
    annotation_tasks.response,
    rated_responses.scores,
    rated_responses.spreads,
    rated_responses.n_annotators,
    rated_responses.simulated,
    rated_responses.split
from rated_responses
join annotation_tasks using (task_id, position)
-- The bounds on the task say the same again, for Parquet: whole row groups need not be read.
where
    rated_responses.place between $first and $last
    and annotation_tasks.task_id between $lowest_task and $highest_task
order by rated_responses.place
