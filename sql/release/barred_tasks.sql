-- Tasks that may not be released whatever their ratings are: by the licence gate, for personal data, or as their prompt
-- would link clusters on both sides of the split. One reason a task, the first in this order.
-- inputs: annotation_tasks, responses, barred_origins, private_tasks, bridging_prompts
-- grain: task_id
-- output: task_id, stage, reason
with asked as (
    select response_id, min(endpoint) as endpoint
    from responses
    group by response_id
),

shown as (
    select annotation_tasks.*, asked.endpoint
    from annotation_tasks
    left join asked using (response_id)
),

barred as (
    select shown.task_id, 'licence' as stage, 'response_' || barred_origins.kind as reason, 1 as rank
    from shown
    join barred_origins
        on barred_origins.role = 'response'
        and barred_origins.campaign = shown.campaign
        and barred_origins.source is not distinct from shown.model
        and barred_origins.model_name is not distinct from shown.model_name
        and barred_origins.revision is not distinct from shown.revision
        and barred_origins.endpoint is not distinct from shown.endpoint
        and barred_origins.licence is not distinct from shown.model_licence
        and barred_origins.may_train is not distinct from shown.outputs_may_train
    union all
    select shown.task_id, 'licence' as stage, 'turns_' || barred_origins.kind as reason, 2 as rank
    from shown
    join barred_origins
        on barred_origins.role = 'turns'
        and barred_origins.campaign = shown.campaign
        and barred_origins.source = shown.completion_model
        and barred_origins.licence is not distinct from shown.completion_licence
        and barred_origins.may_train is not distinct from shown.completion_may_train
    union all
    select shown.task_id, 'licence' as stage, 'prompt_' || barred_origins.kind as reason, 3 as rank
    from shown
    join barred_origins
        on barred_origins.role = 'prompt'
        and barred_origins.campaign = shown.campaign
        and barred_origins.source = shown.source
        and barred_origins.licence is not distinct from shown.source_licence
    union all
    select shown.task_id, 'licence' as stage, 'vendor_' || barred_origins.kind as reason, 4 as rank
    from shown
    join barred_origins on barred_origins.role = 'vendor' and barred_origins.campaign = shown.campaign
    union all
    select task_id, 'personal_data' as stage, entity as reason, 5 as rank
    from private_tasks
    union all
    select shown.task_id, 'splits' as stage, 'bridges_splits' as reason, 6 as rank
    from shown
    join bridging_prompts using (prompt_id)
)

select task_id, stage, lower(replace(reason, '-', '_')) as reason
from barred
qualify row_number() over (partition by task_id order by rank, reason) = 1
order by task_id
