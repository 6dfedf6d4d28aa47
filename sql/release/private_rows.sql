-- Released responses of tasks in which personal data was found: there must be none.
-- inputs: rated_responses, personal_data
-- grain: task_id, response_id
-- output: task_id, response_id
select task_id, response_id
from rated_responses
semi join personal_data using (task_id)
order by task_id, response_id
