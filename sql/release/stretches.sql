-- Rows in order of place, cut into stretches of so many, each with the least and the greatest of its tasks.
-- inputs: placed_rows
-- parameters: rows
-- grain: first
-- output: first, last, lowest_task, highest_task
select
    min(place) as first,
    max(place) as last,
    min(task_id) as lowest_task,
    max(task_id) as highest_task
from placed_rows
group by (place - 1) // $rows
order by first
