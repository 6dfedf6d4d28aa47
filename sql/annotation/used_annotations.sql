-- The rows that are used, with the place of each response in shown order.
-- inputs: annotation_fates, deliveries, annotation_tasks
-- grain: task_id, response_id, annotator
-- output: campaign, task_id, response_id, annotator, vendor, scores, flags, preference, justification, submitted_at,
--   revision, round, guideline_version, seconds, simulated, delivery_id, row_number, position
select
    deliveries.campaign,
    task_id,
    response_id,
    annotator,
    deliveries.vendor,
    scores,
    flags,
    preference,
    justification,
    submitted_at,
    deliveries.revision,
    round,
    deliveries.guideline_version,
    seconds,
    simulated,
    delivery_id,
    row_number,
    annotation_tasks.position
from deliveries
semi join (from annotation_fates where fate = 'used') as used using (delivery_id, row_number)
join annotation_tasks using (task_id, response_id)
order by task_id, response_id, annotator
