-- The annotators that stand for selection.
-- inputs: seats
-- grain: task_id, annotator
-- output: task_id, annotator
select task_id, annotator
from seats
where word = 0
