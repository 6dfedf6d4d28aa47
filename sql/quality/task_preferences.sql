-- The preference of each contender. An annotator has one a task, and may say it on any row of it: where a
-- correction moved it to another row, the latest row that has one counts.
-- inputs: contenders
-- grain: task_id, annotator
-- output: task_id, annotator, strength, justification
select task_id, annotator, preference as strength, nullif(trim(justification), '') as justification
from contenders
where preference is not null
qualify
    row_number() over (
        partition by task_id, annotator
        order by submitted_at desc, revision desc, position desc
    ) = 1
order by task_id, annotator
