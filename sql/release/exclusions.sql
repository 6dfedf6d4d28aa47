-- Every prompt, response, task, preference, annotation and delivered row that did not reach the
-- release, with the stage that decided and the reason. `rows` is more than one where the same
-- prompt was delivered again, and for delivered rows, which are counted.
-- Prompts and responses are those that the campaigns could draw on: their prompt batches, and in
-- these the models that took part. A response that two tasks show left only if both did.
-- inputs: curated_prompts, selected_prompts, responses, annotation_tasks, task_fates, retained_annotations,
--   annotation_fates, barred_tasks
-- grain: kind, stage, reason, campaign, prompt_batch, prompt_id, task_id, response_id, model, annotator
-- output: kind, stage, reason, campaign, prompt_batch, prompt_id, task_id, response_id, model, annotator, rows
with shown as (
    select annotation_tasks.response_id, annotation_tasks.model, task_fates.*
    from annotation_tasks
    join task_fates using (task_id)
),

prompt_fates as (
    select *
    from task_fates
    qualify row_number() over (
        partition by prompt_id order by published desc, reach desc, reason, task_id
    ) = 1
),

response_fates as (
    select *
    from shown
    qualify row_number() over (
        partition by response_id order by published desc, reach desc, reason, task_id
    ) = 1
),

excluded as (
    select
        'prompt' as kind,
        'curation' as stage,
        reason,
        null::varchar as campaign,
        prompt_batch,
        prompt_id,
        null::varchar as task_id,
        null::varchar as response_id,
        null::varchar as model,
        null::varchar as annotator
    from curated_prompts
    where not kept
    union all by name
    select 'prompt' as kind, 'selection' as stage, reason, prompt_batch, prompt_id
    from selected_prompts
    -- curation has the row of a withdrawn prompt
    where not selected and reason <> 'withdrawn'
    union all by name
    select 'prompt' as kind, 'pairing' as stage, 'no_task' as reason, prompt_batch, prompt_id
    from selected_prompts
    anti join task_fates using (prompt_id)
    where selected
    union all by name
    select 'prompt' as kind, stage, reason, campaign, prompt_id
    from prompt_fates
    where not published
    union all by name
    select 'response' as kind, 'generation' as stage, reason, prompt_batch, prompt_id, response_id, model
    from responses
    where status <> 'ok'
    union all by name
    select
        'response' as kind,
        'pairing' as stage,
        'not_paired' as reason,
        prompt_batch,
        prompt_id,
        response_id,
        model
    from responses
    anti join shown using (response_id)
    where status = 'ok'
    union all by name
    select 'response' as kind, stage, reason, campaign, prompt_id, response_id, model
    from response_fates
    where not published
    union all by name
    select 'task' as kind, stage, reason, campaign, prompt_id, task_id
    from task_fates
    where not published
    union all by name
    select 'preference' as kind, 'preference' as stage, preference_reason as reason, campaign, prompt_id, task_id
    from task_fates
    where published and preference_reason is not null
    union all by name
    select 'annotation' as kind, stage, reason, campaign, task_id, response_id, annotator
    from retained_annotations
    where stage <> 'kept'
    union all by name
    select
        'annotation' as kind,
        barred_tasks.stage,
        barred_tasks.reason,
        retained_annotations.campaign,
        retained_annotations.task_id,
        retained_annotations.response_id,
        retained_annotations.annotator
    from retained_annotations
    join barred_tasks using (task_id)
    where retained_annotations.stage = 'kept'
    union all by name
    select
        'delivered row' as kind,
        if(fate = 'quarantined' or rule = 'withdrawn', 'intake', 'merge') as stage,
        coalesce(rule, fate) as reason,
        campaign
    from annotation_fates
    where fate <> 'used'
)

select *, count(*) as rows
from excluded
group by all
order by kind, stage, reason, campaign, prompt_batch, prompt_id, task_id, response_id, model, annotator
