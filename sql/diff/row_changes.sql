-- What became of each rated response from one release to a later one, and why. A response that the later release has
-- no task of any more was withdrawn, if its campaign is still part of it.
-- inputs: older_rows, newer_rows, older_tasks, newer_tasks, older_ratings, newer_ratings
-- grain: task_id, response_id
-- output: change, reason, task_id, response_id, model
with older_models as (
    select distinct model
    from older_rows
),

older_campaigns as (
    select distinct campaign
    from older_tasks
),

newer_campaigns as (
    select distinct campaign
    from newer_tasks
),

rated as (
    select
        coalesce(older_ratings.task_id, newer_ratings.task_id) as task_id,
        older_ratings.ratings is distinct from newer_ratings.ratings as is_rated_anew
    from older_ratings
    full join newer_ratings using (task_id)
),

compared as (
    select
        coalesce(older_rows.task_id, newer_rows.task_id) as task_id,
        coalesce(older_rows.response_id, newer_rows.response_id) as response_id,
        coalesce(older_rows.model, newer_rows.model) as model,
        coalesce(older_rows.campaign, newer_rows.campaign) as campaign,
        case
            when older_rows.task_id is null then 'added'
            when newer_rows.task_id is null then 'removed'
            when older_rows.fingerprint = newer_rows.fingerprint and older_rows.split = newer_rows.split then 'kept'
            else 'changed'
        end as change,
        older_rows.split is distinct from newer_rows.split as is_moved,
        older_rows.text is distinct from newer_rows.text as is_other_text,
        older_rows.ratings is distinct from newer_rows.ratings as is_other_rating
    from older_rows
    full join newer_rows
        on older_rows.task_id = newer_rows.task_id and older_rows.response_id = newer_rows.response_id
)

select
    compared.change,
    case
        when compared.change = 'kept' then null
        when compared.change = 'changed' and compared.is_moved then 'split'
        when compared.change = 'changed' and compared.is_other_text then 'text'
        when compared.change = 'changed' and not compared.is_other_rating then 'provenance'
        when compared.change = 'added' and older_models.model is null and compared.model is not null then 'new_model'
        when compared.change = 'added' and older_campaigns.campaign is null then 'new_campaign'
        when compared.change = 'added' and older_tasks.task_id is null then 'new_task'
        when
            compared.change = 'added' and older_tasks.stage in ('licence', 'personal_data', 'splits')
            then older_tasks.stage
        when compared.change = 'removed' and newer_campaigns.campaign is null then 'campaign_left'
        when compared.change = 'removed' and newer_tasks.task_id is null then 'withdrawn'
        when
            compared.change = 'removed' and newer_tasks.stage in ('licence', 'personal_data', 'splits')
            then newer_tasks.stage
        when rated.is_rated_anew then 'new_ratings'
        else 'policy'
    end as reason,
    compared.task_id,
    compared.response_id,
    compared.model
from compared
left join rated using (task_id)
left join older_models using (model)
left join older_campaigns using (campaign)
left join newer_campaigns using (campaign)
left join older_tasks using (task_id)
left join newer_tasks using (task_id)
order by compared.change, reason, compared.task_id, compared.response_id
