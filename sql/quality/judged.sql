-- Steps 1 and 2 of the agreement policy: every annotator of every task, with the stage and the reason if the
-- annotator's ratings of the task leave here, where they stand or fall together; both are null if they pass. A task that
-- more than half of its annotators flag leaves whole. An annotator who has no record yet counts as trusted.
-- inputs: numbered_ratings, campaign_tasks, numbered_annotators, annotator_quality
-- parameters: drop_flagged, drop_incomplete, drop_untrusted
-- grain: task, annotator
-- output: task, annotator, stage, reason
with answers as (
    select
        task,
        annotator,
        count(*) as responses,
        $drop_flagged and bool_or(flagged) as flagged,
        bool_or(incomplete) as incomplete
    from numbered_ratings
    group by task, annotator
),

flagged_tasks as (
    select task
    from answers
    group by task
    having 2 * count(*) filter (where flagged) > count(*)
),

untrusted as (
    select numbered_annotators.annotator
    from numbered_annotators
    join annotator_quality on numbered_annotators.annotator_id = annotator_quality.annotator
    where $drop_untrusted and not annotator_quality.trusted
),

reasons as (
    select
        answers.task,
        answers.annotator,
        case
            when flagged_tasks.task is not null then 'task_flagged'
            when answers.flagged then 'flagged'
            when $drop_incomplete and (answers.incomplete or answers.responses < campaign_tasks.responses)
                then 'incomplete'
            when untrusted.annotator is not null then 'untrusted'
        end as reason
    from answers
    left join flagged_tasks using (task)
    left join campaign_tasks using (task)
    left join untrusted using (annotator)
)

select
    task,
    annotator,
    case
        when reason = 'untrusted' then 'trust'
        when reason is not null then 'validity'
    end as stage,
    reason
from reasons
