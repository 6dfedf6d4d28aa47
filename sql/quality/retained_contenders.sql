-- The annotators that stood for selection, found again by the stage that their ratings reached.
-- inputs: retained_annotations
-- grain: task_id, annotator
-- output: task_id, annotator
select distinct task_id, annotator
from retained_annotations
where stage in ('closest', 'dispute', 'kept')
