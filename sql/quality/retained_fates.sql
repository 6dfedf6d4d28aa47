-- What became of each annotator's ratings of a task, found again by the stage that they reached.
-- inputs: retained_annotations
-- grain: task_id, annotator
-- output: task_id, annotator, stage
select task_id, annotator, min(stage) as stage
from retained_annotations
group by task_id, annotator
