-- Answers by their id or by the prompt that they answer.
-- inputs: responses
-- parameters: response_ids, prompt_ids
-- grain: prompt_batch, model, response_id
-- output: prompt_batch, response_id, prompt_id, model, sample_index, status, reason, response, finish_reason, endpoint,
--   model_name, revision, parameters, request_hash, licence, outputs_may_train, prompt_tokens, completion_tokens,
--   cost_usd, attempts, answered_at
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
where
    response_id in (select unnest($response_ids))
    or prompt_id in (select unnest($prompt_ids))
order by model, prompt_batch, response_id
