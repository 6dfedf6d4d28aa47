-- What becomes of each annotator's ratings of a task, over all steps of the policy: the stage that they reach and the
-- reason why they leave.
-- inputs: judged, coverage, chosen
-- parameters: annotators, closed
-- grain: task_id, annotator
-- output: task_id, annotator, stage, reason
select task_id, annotator, stage, reason
from judged
where stage is not null
union all
select task_id, annotator, stage, reason
from chosen
union all
select
    judged.task_id,
    judged.annotator,
    'coverage' as stage,
    if(coverage.needed > 0 and not $closed, 'awaiting_top_up', 'too_few') as reason
from judged
left join coverage using (task_id)
where
    judged.stage is null
    and not coalesce(coverage.trusted >= $annotators and (coverage.needed = 0 or $closed), false)
