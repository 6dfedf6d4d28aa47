-- Tasks with personal data in any of their texts, with one entity that was found.
-- inputs: personal_data
-- grain: task_id
-- output: task_id, entity
select task_id, min(entity) as entity
from personal_data
group by task_id
order by task_id
