-- The tasks that are, show or ask what an id stands for, with the responses that they show.
-- inputs: annotation_tasks
-- parameters: id
-- grain: task_id, response_id
-- output: campaign, task_id, prompt_id, response_id
with named as (
    select distinct task_id
    from annotation_tasks
    where task_id = $id or response_id = $id or prompt_id = $id
)

select campaign, task_id, prompt_id, response_id
from annotation_tasks
semi join named using (task_id)
order by campaign, task_id, position
