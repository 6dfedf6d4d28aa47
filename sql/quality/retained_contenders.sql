-- The annotations that stood for selection, found again by the stage that they reached.
-- inputs: retained_annotations
-- grain: task_id, response_id, annotator
-- output: task_id, response_id, position, annotator, scores, preference, justification, submitted_at, revision
select task_id, response_id, position, annotator, scores, preference, justification, submitted_at, revision
from retained_annotations
where stage in ('closest', 'dispute', 'kept')
order by task_id, response_id, annotator
