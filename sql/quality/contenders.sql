-- The trusted annotations that stand for selection: those of tasks that wait for nobody and have enough
-- trusted annotators. A closed campaign waits for nobody, so its tasks stand as soon as they have enough.
-- inputs: judged, coverage
-- parameters: annotators, closed
-- grain: task_id, response_id, annotator
-- output: task_id, response_id, position, annotator, scores, preference, justification, submitted_at, revision
select
    judged.task_id,
    judged.response_id,
    judged.position,
    judged.annotator,
    judged.scores,
    judged.preference,
    judged.justification,
    judged.submitted_at,
    judged.revision
from judged
join coverage using (task_id)
where
    judged.stage is null
    and coverage.trusted >= $annotators
    and (coverage.needed = 0 or $closed)
order by judged.task_id, judged.response_id, judged.annotator
