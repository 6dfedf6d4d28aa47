-- Every annotation with the stage that it reached and the reason why it left, over all steps of the policy.
-- inputs: annotations, numbered_tasks, numbered_annotators, fates, closest_preferences
-- grain: task_id, response_id, annotator
-- output: campaign, task_id, response_id, position, annotator, vendor, scores, flags, preference, justification,
-- submitted_at, revision, round, guideline_version, seconds, simulated, delivery_id, row_number, stage, reason,
-- preference_retained
select
    annotations.campaign,
    annotations.task_id,
    annotations.response_id,
    annotations.position,
    annotations.annotator,
    annotations.vendor,
    annotations.scores,
    annotations.flags,
    annotations.preference,
    annotations.justification,
    annotations.submitted_at,
    annotations.revision,
    annotations.round,
    annotations.guideline_version,
    annotations.seconds,
    annotations.simulated,
    annotations.delivery_id,
    annotations.row_number,
    fates.stage,
    fates.reason,
    closest_preferences.annotator is not null as preference_retained
from annotations
join numbered_tasks using (task_id)
join numbered_annotators on annotations.annotator = numbered_annotators.annotator_id
join fates
    on
        numbered_tasks.task = fates.task
        and numbered_annotators.annotator = fates.annotator
        and annotations.position = fates.position
left join closest_preferences
    on annotations.task_id = closest_preferences.task_id and annotations.annotator = closest_preferences.annotator
order by annotations.task_id, annotations.response_id, annotations.annotator
