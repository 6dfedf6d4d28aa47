-- Pairs each prompt's answers of different models, ranks the pairs by a seeded hash of their own
-- ids, takes the first few, and shows each pair in a seeded order. As a pair's place depends on
-- its own ids alone, new prompts and models leave the pairs of other prompts as they are. Where models have
-- weights, a hash u of a pair of weight w ranks at -ln(1 - u) / w: of weights 2 and 1 the first is drawn twice as often.
-- inputs: responses, selected_prompts
-- parameters: campaign, vendor, guideline_version, rubric_hash, annotators, prompt_batches, models, weights, baseline,
--   pairs_per_prompt, seed
-- grain: task_id, position
-- output: campaign, task_id, position, prompt_id, response_id, messages, response, model, model_name, revision,
--   parameters, request_hash, model_licence, outputs_may_train, source, source_licence, completion_model,
--   completion_licence, completion_may_train, vendor, guideline_version, rubric_hash, annotators
with prompts as (
    select distinct on (prompt_id) *
    from selected_prompts
    where selected and list_contains($prompt_batches, prompt_batch)
    order by prompt_id, intake_number
),

answers as (
    -- a prompt that came in two batches has the same answer, under the same id, in both;
    -- an answer to a conversation with other turns in between is none to the one shown
    select distinct on (response_id) *
    from responses
    semi join prompts using (prompt_id, conversation_hash)
    where status = 'ok' and list_contains($prompt_batches, prompt_batch) and list_contains($models, model)
    order by response_id, prompt_batch
),

pairs as (
    select
        prompt_id,
        lower.response_id as lower_id,
        upper.response_id as upper_id,
        $weights[list_position($models, lower.model)] * $weights[list_position($models, upper.model)] as weight,
        sha256(to_json(['pair', $seed::varchar, $campaign, prompt_id, lower_id, upper_id])::varchar) as hash
    from answers as lower
    join answers as upper using (prompt_id)
    where
        lower.response_id < upper.response_id
        and lower.model <> upper.model
        and ($baseline::varchar is null or $baseline in (lower.model, upper.model))
),

chosen as (
    select
        *,
        't-' || left(sha256(to_json([$campaign, lower_id, upper_id])::varchar), 20) as task_id,
        sha256(to_json(['order', $seed::varchar, $campaign, lower_id, upper_id])::varchar) < '8' as lower_first
    from pairs
    qualify row_number() over (
        partition by prompt_id
        order by -ln(1 - ('0x' || left(hash, 13))::bigint / 4503599627370496) / weight, hash
    ) <= $pairs_per_prompt
),

shown as (
    select task_id, lower_id as response_id, if(lower_first, 1, 2) as position from chosen
    union all
    select task_id, upper_id as response_id, if(lower_first, 2, 1) as position from chosen
)

select
    $campaign as campaign,
    task_id,
    position::tinyint as position,
    prompt_id,
    response_id,
    prompts.messages,
    answers.response,
    answers.model,
    answers.model_name,
    answers.revision,
    answers.parameters,
    answers.request_hash,
    answers.licence as model_licence,
    answers.outputs_may_train,
    prompts.source,
    prompts.licence as source_licence,
    prompts.completion_model,
    prompts.completion_licence,
    prompts.completion_may_train,
    $vendor as vendor,
    $guideline_version as guideline_version,
    $rubric_hash as rubric_hash,
    $annotators::tinyint as annotators
from shown
join answers using (response_id)
join prompts using (prompt_id)
order by task_id, position
