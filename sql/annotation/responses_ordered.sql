-- How many responses each task has, and how many annotators were ordered for it so far.
-- inputs: annotation_tasks, outstanding
-- grain: task_id
-- output: task_id, responses, ordered
select
    annotation_tasks.task_id,
    count(*) as responses,
    min(outstanding.ordered) as ordered
from annotation_tasks
join outstanding using (task_id)
group by annotation_tasks.task_id
order by annotation_tasks.task_id
