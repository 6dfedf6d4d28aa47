-- The rated responses that are not the same, the first so many of each change and reason.
-- inputs: row_changes
-- parameters: most
-- grain: task_id, response_id
-- output: change, reason, task_id, response_id, model
select change, reason, task_id, response_id, model
from row_changes
where change <> 'kept'
qualify row_number() over (partition by change, reason order by task_id, response_id) <= $most
order by change, reason, task_id, response_id
