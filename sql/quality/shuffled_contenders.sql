-- The shuffled annotations that stand for selection: those in the places of the real contenders.
-- inputs: shuffled
-- grain: task_id, response_id, annotator
-- output: task_id, response_id, position, annotator, scores
select task_id, response_id, position, annotator, scores
from shuffled
where stage in ('closest', 'dispute', 'kept')
order by task_id, response_id, annotator
