-- The tasks that somebody has rated, numbered in the order of their ids, so that all that follows joins and sorts whole
-- numbers. `key` is a hash of the id, for what is drawn by chance.
-- inputs: annotations
-- grain: task_id
-- output: task_id, task, key
select
    task_id,
    (row_number() over (order by task_id) - 1)::integer as task,
    md5_number_lower(task_id) as key
from (select distinct task_id from annotations)
