-- The preference of each contender. An annotator has one a task, and may say it on any row of it: where a
-- correction moved it to another row, the latest row that has one counts.
-- inputs: contenders, annotations
-- grain: task_id, annotator
-- output: task_id, annotator, strength, justification
select
    annotations.task_id,
    annotations.annotator,
    annotations.preference as strength,
    nullif(trim(annotations.justification), '') as justification
from annotations
semi join contenders using (task_id, annotator)
where annotations.preference is not null
qualify
    row_number() over (
        partition by annotations.task_id, annotations.annotator
        order by annotations.submitted_at desc, annotations.revision desc, annotations.position desc
    ) = 1
order by annotations.task_id, annotations.annotator
