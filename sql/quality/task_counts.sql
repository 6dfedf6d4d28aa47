-- How many tasks the campaign has, and how many have kept annotations.
-- inputs: annotation_tasks, retained_annotations
-- grain: tasks
-- output: tasks, kept
select
    (select count(distinct task_id) from annotation_tasks) as tasks,
    (select count(distinct task_id) from retained_annotations where stage = 'kept') as kept
