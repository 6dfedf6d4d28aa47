-- What became of each task: published if its responses have ratings and nothing bars it; otherwise what bars it, or the
-- stage that its annotations came furthest to, and the reason that most of them left for there. A task that was not asked for a
-- preference has none, and no reason either.
-- inputs: annotation_tasks, consensus, retained_annotations, preferences, prompt_splits, barred_tasks
-- grain: task_id
-- output: task_id, campaign, prompt_id, split, vendor, guideline_version, responses, annotators_ordered, annotators,
--   annotators_kept, published, reach, stage, reason, preference, preference_reason
with shown as (
    select
        task_id,
        min(campaign) as campaign,
        min(prompt_id) as prompt_id,
        min(vendor) as vendor,
        min(guideline_version) as guideline_version,
        min(annotators) as annotators_ordered,
        count(*) as responses
    from annotation_tasks
    group by task_id
),

raters as (
    select
        task_id,
        count(distinct annotator) as annotators,
        count(distinct annotator) filter (where stage = 'kept') as annotators_kept
    from retained_annotations
    group by task_id
),

stages as (
    select
        task_id,
        stage,
        reason,
        list_position(['validity', 'trust', 'coverage', 'closest', 'dispute', 'kept'], stage) as reach,
        count(*) as annotations
    from retained_annotations
    group by task_id, stage, reason
),

furthest as (
    select task_id, stage, reason, reach
    from stages
    qualify row_number() over (partition by task_id order by reach desc, annotations desc, reason) = 1
)

select
    shown.task_id,
    shown.campaign,
    shown.prompt_id,
    prompt_splits.split,
    shown.vendor,
    shown.guideline_version,
    shown.responses,
    shown.annotators_ordered,
    coalesce(raters.annotators, 0) as annotators,
    coalesce(raters.annotators_kept, 0) as annotators_kept,
    rated.task_id is not null and barred_tasks.task_id is null as published,
    coalesce(furthest.reach, 0) as reach,
    case
        when barred_tasks.task_id is not null then barred_tasks.stage
        when rated.task_id is null then coalesce(furthest.stage, 'coverage')
        else 'kept'
    end as stage,
    case
        when barred_tasks.task_id is not null then barred_tasks.reason
        when rated.task_id is null then coalesce(furthest.reason, 'not_rated')
    end as reason,
    preferences.strength as preference,
    preferences.reason as preference_reason
from shown
join prompt_splits using (prompt_id)
left join raters using (task_id)
left join furthest using (task_id)
left join (select distinct task_id from consensus) as rated using (task_id)
left join barred_tasks using (task_id)
left join preferences using (task_id)
order by shown.task_id
