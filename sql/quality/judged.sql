-- Steps 1 and 2 of the agreement policy: every annotator of every task, with the stage and the reason if the
-- annotator's ratings of the task leave here, where they stand or fall together; both are null if they pass. A task that
-- more than half of its annotators flag leaves whole. An annotator who has no record yet counts as trusted.
-- inputs: ballots, annotation_tasks, annotator_quality
-- grain: task_id, annotator
-- output: task_id, annotator, stage, reason
with task_sizes as (
    select task_id, count(*) as responses
    from annotation_tasks
    group by task_id
),

flagged_tasks as (
    select task_id
    from ballots
    where word = 0
    group by task_id
    having 2 * count(*) filter (where flagged) > count(*)
),

reasons as (
    select
        ballots.task_id,
        ballots.annotator,
        case
            when flagged_tasks.task_id is not null then 'task_flagged'
            when ballots.flagged then 'flagged'
            when ballots.incomplete or ballots.responses < task_sizes.responses then 'incomplete'
            when not annotator_quality.trusted then 'untrusted'
        end as reason
    from ballots
    left join flagged_tasks using (task_id)
    left join task_sizes using (task_id)
    left join annotator_quality using (annotator)
    where ballots.word = 0
)

select
    task_id,
    annotator,
    case
        when reason = 'untrusted' then 'trust'
        when reason is not null then 'validity'
    end as stage,
    reason
from reasons
