-- The last step that each annotation passed (1 `collected`, 2 `trusted`, 3 `closest`, 4 `retained`), and whether its
-- annotator stood for selection, found again by the stage that it reached.
-- inputs: retained_annotations, numbered_tasks, numbered_annotators
-- grain: task, annotator, position
-- output: task, annotator, position, step, stands
select
    numbered_tasks.task,
    numbered_annotators.annotator,
    retained_annotations.position,
    case retained_annotations.stage
        when 'validity' then 1
        when 'trust' then 1
        when 'dispute' then 3
        when 'kept' then 4
        else 2
    end as step,
    retained_annotations.stage in ('closest', 'dispute', 'kept') as stands
from retained_annotations
join numbered_tasks using (task_id)
join numbered_annotators on retained_annotations.annotator = numbered_annotators.annotator_id
