-- Every annotation of the released campaigns, kept or not, in the split of its task's prompt; none of a task that is
-- barred from the release altogether.
-- inputs: retained_annotations, task_fates, barred_tasks
-- grain: task_id, response_id, annotator
-- output: task_id, response_id, annotator, vendor, campaign, round, position, guideline_version, scores, stage, reason,
--   submitted_at, simulated, split
select
    retained_annotations.task_id,
    retained_annotations.response_id,
    retained_annotations.annotator,
    retained_annotations.vendor,
    retained_annotations.campaign,
    retained_annotations.round,
    retained_annotations.position,
    retained_annotations.guideline_version,
    retained_annotations.scores,
    retained_annotations.stage,
    retained_annotations.reason,
    retained_annotations.submitted_at,
    retained_annotations.simulated,
    task_fates.split
from retained_annotations
join task_fates using (task_id)
anti join barred_tasks using (task_id)
order by retained_annotations.task_id, retained_annotations.response_id, retained_annotations.annotator
