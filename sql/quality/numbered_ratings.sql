-- The annotations by the numbers of their tasks and annotators, with what decides whether they are valid: a flag, or a
-- deciding attribute without a score.
-- inputs: annotations, numbered_tasks, numbered_annotators, rubric
-- grain: task, annotator, position
-- output: task, annotator, position, scores, flagged, incomplete
with places as (
    select list(position order by position) as deciding
    from rubric
    where decides
)

select
    numbered_tasks.task,
    numbered_annotators.annotator,
    annotations.position,
    annotations.scores,
    len(annotations.flags) > 0 as flagged,
    list_count(list_select(annotations.scores, places.deciding)) < len(places.deciding) as incomplete
from annotations
join numbered_tasks using (task_id)
join numbered_annotators on annotations.annotator = numbered_annotators.annotator_id
cross join places
