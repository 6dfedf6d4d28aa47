-- The rows of one cell of the table that are not asked for any more: their prompt is not selected now, the model has
-- fewer samples, or it is asked otherwise. `journalled` has a row for each wanted request.
-- inputs: journalled, responses
-- grain: model, prompt_batch, prompt_id, sample_index
-- output: model, prompt_batch, prompt_id, sample_index, conversation_hash, request_hash
select
    model,
    prompt_batch,
    prompt_id,
    sample_index,
    responses.conversation_hash,
    responses.request_hash
from responses
anti join journalled using (model, prompt_batch, prompt_id, sample_index, request_hash)
where responses.answered_at is not null
order by prompt_id, sample_index
