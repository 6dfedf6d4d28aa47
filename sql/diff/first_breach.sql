-- The first row that is gone, moved or changed; failing that, the first that is new.
-- inputs: breaches
-- grain: task_id, response_id, annotator
-- output: task_id, response_id, annotator, breach
select task_id, response_id, annotator, breach
from breaches
order by breach = 'added', task_id, response_id, annotator
limit 1
