-- The annotators that stand for selection.
-- inputs: standing, numbered_tasks, numbered_annotators
-- grain: task_id, annotator
-- output: task_id, annotator
select numbered_tasks.task_id, numbered_annotators.annotator_id as annotator
from standing
join numbered_tasks using (task)
join numbered_annotators using (annotator)
where standing.stage is null
