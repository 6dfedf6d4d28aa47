-- What is known of each annotator of each task before selection: the stage and the reason if they leave by then, both null
-- if they stand for selection. They stand in a task that waits for nobody and has enough trusted annotators. A closed
-- campaign waits for nobody, so its tasks stand as soon as they have enough.
-- inputs: judged, coverage
-- parameters: annotators, closed
-- grain: task, annotator
-- output: task, annotator, trusted, stage, reason
with panels as (
    select
        task,
        trusted >= $annotators and (needed = 0 or $closed) as stands,
        if(needed > 0 and not $closed, 'awaiting_top_up', 'too_few') as reason
    from coverage
)

select
    judged.task,
    judged.annotator,
    judged.stage is null as trusted,
    coalesce(judged.stage, if(panels.stands, null, 'coverage')) as stage,
    coalesce(judged.reason, if(panels.stands, null, coalesce(panels.reason, 'too_few'))) as reason
from judged
left join panels using (task)
order by judged.task, judged.annotator
