-- Answers by their id or by the prompt that they answer. The prompts come first, from the ids alone: by their bounds
-- whole row groups of text need not be read.
-- inputs: responses
-- parameters: response_ids, prompt_ids
-- grain: prompt_batch, model, response_id
-- output: prompt_batch, response_id, prompt_id, model, sample_index, status, reason, response, finish_reason, endpoint,
--   model_name, revision, parameters, request_hash, licence, outputs_may_train, prompt_tokens, completion_tokens,
--   cost_usd, attempts, answered_at
with asked as (
    select distinct prompt_id
    from responses
    where
        response_id in (select unnest($response_ids))
        or prompt_id in (select unnest($prompt_ids))
)

select
    prompt_batch,
    response_id,
    prompt_id,
    model,
    sample_index,
    status,
    reason,
    response,
    finish_reason,
    endpoint,
    model_name,
    revision,
    parameters,
    request_hash,
    licence,
    outputs_may_train,
    prompt_tokens,
    completion_tokens,
    cost_usd,
    attempts,
    answered_at
from responses
semi join asked using (prompt_id)
where
    response_id in (select unnest($response_ids))
    or prompt_id in (select unnest($prompt_ids))
order by model, prompt_batch, response_id
