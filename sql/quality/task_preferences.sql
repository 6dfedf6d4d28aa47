-- The preference of each contender: an annotator says it once a task, on the last row that has one.
-- inputs: judged, contenders
-- grain: task_id, annotator
-- output: task_id, annotator, strength
select judged.task_id, judged.annotator, judged.preference as strength
from judged
join contenders using (task_id, response_id, annotator)
where judged.preference is not null
qualify row_number() over (partition by judged.task_id, judged.annotator order by judged.position desc) = 1
order by judged.task_id, judged.annotator
