-- Every delivered rating of tasks, with what became of it: its fate in merging, and if it was used, the stage that it
-- reached and the reason why it left.
-- inputs: deliveries, annotation_fates, intake, retained_annotations
-- parameters: task_ids
-- grain: delivery_id, row_number
-- output: task_id, response_id, annotator, scores, flags, preference, justification, submitted_at, revision, round,
--   guideline_version, simulated, delivery_id, file, row_number, fate, rule, stage, reason
with delivered as (
    select *
    from deliveries
    where task_id in (select unnest($task_ids))
),

-- Found by file and row number in a table that has a row for each delivered row.
fates as (
    select annotation_fates.*
    from annotation_fates
    where
        annotation_fates.delivery_id in (select delivery_id from delivered)
        and annotation_fates.row_number in (select row_number from delivered)
),

retained as (
    select *
    from retained_annotations
    where task_id in (select unnest($task_ids))
)

select
    delivered.task_id,
    delivered.response_id,
    delivered.annotator,
    delivered.scores,
    delivered.flags,
    delivered.preference,
    delivered.justification,
    delivered.submitted_at,
    delivered.revision,
    delivered.round,
    delivered.guideline_version,
    delivered.simulated,
    delivered.delivery_id,
    intake.file,
    delivered.row_number,
    coalesce(fates.fate, 'not merged yet') as fate,
    fates.rule,
    retained.stage,
    retained.reason
from delivered
left join intake using (delivery_id)
left join fates on delivered.delivery_id = fates.delivery_id and delivered.row_number = fates.row_number
left join retained on delivered.delivery_id = retained.delivery_id and delivered.row_number = retained.row_number
order by
    delivered.task_id,
    delivered.response_id,
    delivered.annotator,
    delivered.submitted_at,
    delivered.revision,
    delivered.delivery_id,
    delivered.row_number
