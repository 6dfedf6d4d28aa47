-- The tasks that are, show or ask what an id stands for, with the responses that they show. Each kind of id is looked for
-- by itself: tasks by the bounds of row groups, which a condition over several columns would not use.
-- inputs: annotation_tasks
-- parameters: id
-- grain: task_id, response_id
-- output: campaign, task_id, prompt_id, response_id
with named as (
    select task_id from annotation_tasks where task_id = $id
    union
    select task_id from annotation_tasks where response_id = $id
    union
    select task_id from annotation_tasks where prompt_id = $id
)

select campaign, task_id, prompt_id, response_id
from annotation_tasks
semi join named using (task_id)
order by campaign, task_id, position
