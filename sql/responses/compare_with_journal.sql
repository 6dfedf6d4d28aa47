-- How one cell of the table compares with the rows that the journals give: `journalled` has a row for each wanted request,
-- without a time where no journal knows an answer or a permanent failure.
-- inputs: journalled, responses
-- grain: model, prompt_batch
-- output: model, prompt_batch, wanted, present, failed, missing, differing
with paired as (
    select
        model,
        prompt_batch,
        journalled.request_hash is not null as is_wanted,
        journalled.answered_at is not null as is_known,
        journalled.status as status,
        responses.answered_at is not null as is_in_table,
        journalled is not distinct from responses as is_same
    from journalled
    full join responses using (model, prompt_batch, prompt_id, sample_index)
)

select
    model,
    prompt_batch,
    count(*) filter (where is_wanted) as wanted,
    count(*) filter (where is_known and status = 'ok') as present,
    count(*) filter (where is_known and status = 'failed') as failed,
    count(*) filter (where is_wanted and not is_known) as missing,
    count(*) filter (where case when is_known then not is_same else is_in_table or not is_wanted end) as differing
from paired
group by model, prompt_batch
