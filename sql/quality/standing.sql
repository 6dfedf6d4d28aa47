-- Whether each annotator of each task is trusted there, and stands for selection: in a task that waits for nobody and has
-- enough trusted annotators. A closed campaign waits for nobody, so its tasks stand as soon as they have enough.
-- inputs: judged, coverage
-- parameters: annotators, closed
-- grain: task, annotator
-- output: task, annotator, trusted, stands
select
    judged.task,
    judged.annotator,
    judged.stage is null as trusted,
    judged.stage is null
    and coalesce(coverage.trusted >= $annotators and (coverage.needed = 0 or $closed), false) as stands
from judged
left join coverage using (task)
order by judged.task, judged.annotator
