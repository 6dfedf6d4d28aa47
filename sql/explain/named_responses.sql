-- Answers to prompts: the named ones, and all to a prompt that is named itself. Responses lie in the order of their
-- prompts: by the bounds of these, row groups of text need not be read.
-- inputs: responses
-- parameters: prompt_ids, named
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
    prompt_id in (select unnest($prompt_ids))
    and (list_contains($named, response_id) or list_contains($named, prompt_id))
order by model, prompt_batch, response_id
