-- How one cell of the table compares with the rows that the journals give: `journalled` has a row for each wanted request,
-- `journalled_before` one for each row of the table that is not wanted any more; both without a time where no journal
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
        case
            when journalled.request_hash is null then journalled_before is not distinct from responses
            else journalled is not distinct from responses
        end as is_same
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
    count(*) filter (where not is_wanted and is_in_table and is_same) as unwanted,
    count(*) filter (
        where case when is_known then not is_same else is_in_table and (is_wanted or not is_same) end
    ) as differing
from paired
group by model, prompt_batch
