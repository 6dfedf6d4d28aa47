-- Rows in which the tables of a campaign do not fit together, because one was made again and those
-- after it were not: such a release would say one thing in its lock and another in its data.
-- inputs: annotation_tasks, deliveries, quarantine, intake, annotation_fates, annotations, retained_annotations,
--   consensus, preferences, rubric
-- grain: campaign, misfit
-- output: campaign, misfit, rows
with delivered as (
    select campaign, delivery_id, row_number
    from deliveries
    semi join intake using (campaign, delivery_id)
    union all
    select campaign, delivery_id, row_number
    from quarantine
    semi join intake using (campaign, delivery_id)
),

kept as (
    select campaign, task_id, response_id, count(*) as annotators
    from retained_annotations
    where stage = 'kept'
    group by campaign, task_id, response_id
),

rated_tasks as (
    select distinct campaign, task_id
    from consensus
),

-- Not every task is asked for a preference; but where one of a campaign is, all of two responses are.
asked_tasks as (
    select campaign, task_id
    from consensus
    semi join preferences using (campaign)
    group by campaign, task_id
    having count(*) > 1
),

shown as (
    select campaign, task_id, response_id
    from annotation_tasks
    semi join rated_tasks using (campaign, task_id)
),

size as (
    select count(*) as attributes
    from rubric
),

misfits as (
    select campaign, 'delivered rows are not merged yet (`annotations`)' as misfit
    from delivered
    anti join annotation_fates using (campaign, delivery_id, row_number)
    union all
    select
        coalesce(annotations.campaign, retained_annotations.campaign),
        'annotations are not filtered yet (`retained_annotations`)'
    from annotations
    full join retained_annotations
        using (campaign, task_id, response_id, annotator, delivery_id, row_number)
    where annotations.campaign is null or retained_annotations.campaign is null
    union all
    select
        coalesce(kept.campaign, consensus.campaign),
        'responses are rated by other annotations than those kept (`consensus`)'
    from kept
    full join consensus using (campaign, task_id, response_id)
    where kept.annotators is distinct from consensus.n_annotators
    union all
    select
        coalesce(shown.campaign, consensus.campaign),
        'responses of a rated task have no rating, or are not in the task (`consensus`)'
    from shown
    full join consensus using (campaign, task_id, response_id)
    where shown.campaign is null or consensus.campaign is null
    union all
    select campaign, 'tasks have a preference and no rating, or the other way round (`consensus`)'
    from (
        select coalesce(asked_tasks.campaign, preferences.campaign) as campaign
        from asked_tasks
        full join preferences using (campaign, task_id)
        where asked_tasks.campaign is null or preferences.campaign is null
    ) as lonely
    union all
    select campaign, 'ratings have another number of attributes than the rubric (`rubric`)'
    from (
        select campaign, len(scores) as attributes
        from retained_annotations
        union all
        select campaign, len(scores)
        from consensus
        union all
        select campaign, len(spreads)
        from consensus
    ) as ratings
    anti join size using (attributes)
    union all
    select campaign, 'responses belong to a task that another campaign has too (`annotation_tasks`)'
    from annotation_tasks
    qualify min(campaign) over (partition by task_id) <> max(campaign) over (partition by task_id)
)

select campaign, misfit, count(*) as rows
from misfits
group by campaign, misfit
order by campaign, misfit
