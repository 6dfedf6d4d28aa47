-- How one cell of the table compares with the rows that the journals give: `journalled` has a row for each wanted request,
-- `journalled_before` one for each row of the table that is not asked for any more; both without a time where no journal
-- knows an answer or a permanent failure.
-- inputs: journalled, journalled_before, responses
-- grain: model, prompt_batch
-- output: model, prompt_batch, wanted, present, failed, missing, in_batches, unwanted, differing
with paired as (
    select
        model,
        prompt_batch,
        journalled.request_hash is not null as is_wanted,
        journalled.answered_at is not null as is_known,
        journalled.status as status,
        coalesce(journalled.reason = 'batch_pending', false) as is_out,
        responses.answered_at is not null as is_in_table,
        journalled.request_hash is not null and journalled is not distinct from responses as is_same,
        journalled_before.request_hash is not null and journalled_before is not distinct from responses as is_as_before
    from journalled
    full join responses using (model, prompt_batch, prompt_id, sample_index)
    left join journalled_before using (model, prompt_batch, prompt_id, sample_index)
)

select
    model,
    prompt_batch,
    count(*) filter (where is_wanted) as wanted,
    count(*) filter (where is_known and status = 'ok') as present,
    count(*) filter (where is_known and status = 'failed') as failed,
    count(*) filter (where is_wanted and not is_known) as missing,
    count(*) filter (where is_wanted and not is_known and is_out) as in_batches,
    count(*) filter (where not is_known and is_in_table and is_as_before) as unwanted,
    count(*) filter (where if(is_known, not is_same, is_in_table and not is_as_before)) as differing
from paired
group by model, prompt_batch
