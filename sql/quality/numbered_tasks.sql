-- The tasks that somebody has rated, numbered in the order of their ids, so that all that follows joins and sorts whole
-- numbers. `key` is a hash of the id, for what is drawn by chance: the last eight bytes of its MD5, the first of them the
-- lowest. That is md5_number_lower(), which takes four times as long.
-- inputs: annotations
-- grain: task_id
-- output: task_id, task, key
select
    task_id,
    (row_number() over (order by task_id) - 1)::integer as task,
    (md5_number(task_id) >> 64)::ubigint as key
from (select distinct task_id from annotations)
