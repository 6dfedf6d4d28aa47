-- Steps 1 and 2 of the agreement policy: every annotation of the campaign, with the stage and the
-- reason if it leaves here; both are null where the annotation passes.
-- An annotator's ratings of a task stand or fall together. A task that more than half of its annotators
-- flag leaves whole. An annotator who has no record yet counts as trusted.
-- inputs: annotations, annotation_tasks, annotator_quality, rubric
-- grain: task_id, response_id, annotator
-- output: campaign, task_id, response_id, position, annotator, vendor, scores, flags, preference, justification,
-- submitted_at, revision, round, guideline_version, seconds, simulated, delivery_id, row_number, stage, reason
with task_sizes as (
    select task_id, count(*) as responses
    from annotation_tasks
    group by task_id
),

task_annotations as (
    select
        annotations.task_id,
        annotations.annotator,
        bool_or(len(annotations.flags) > 0) as flagged,
        bool_or(annotations.scores[rubric.position] is null)
            or count(distinct annotations.response_id) < task_sizes.responses as incomplete
    from annotations
    left join task_sizes using (task_id)
    cross join rubric
    where rubric.decides
    group by annotations.task_id, annotations.annotator, task_sizes.responses
),

task_flags as (
    select task_id, 2 * count(*) filter (where flagged) > count(*) as flagged
    from task_annotations
    group by task_id
),

reasons as (
    select
        task_annotations.task_id,
        task_annotations.annotator,
        case
            when task_flags.flagged then 'task_flagged'
            when task_annotations.flagged then 'flagged'
            when task_annotations.incomplete then 'incomplete'
            when not annotator_quality.trusted then 'untrusted'
        end as reason
    from task_annotations
    join task_flags using (task_id)
    left join annotator_quality using (annotator)
)

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
    case
        when reasons.reason = 'untrusted' then 'trust'
        when reasons.reason is not null then 'validity'
    end as stage,
    reasons.reason
from annotations
join reasons using (task_id, annotator)
order by annotations.task_id, annotations.response_id, annotations.annotator
