-- The scores of trusted annotators: all that any way to one rating may start from.
-- inputs: retained_annotations, rubric
-- grain: task_id, response_id, annotator, attribute
-- output: task_id, response_id, annotator, attribute, step
select
    retained_annotations.task_id,
    retained_annotations.response_id,
    retained_annotations.annotator,
    rubric.attribute,
    (retained_annotations.scores[rubric.position] - rubric.lowest)::bigint as step
from retained_annotations
cross join rubric
where
    retained_annotations.stage not in ('validity', 'trust')
    and retained_annotations.scores[rubric.position] is not null
order by rubric.position, retained_annotations.task_id, retained_annotations.response_id, retained_annotations.annotator
