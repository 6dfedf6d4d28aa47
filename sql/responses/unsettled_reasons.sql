-- Why rows have no settled answer: what the next run asks for again.
-- inputs: responses
-- grain: model, prompt_batch, reason
-- output: model, prompt_batch, reason, rows
select
    model,
    prompt_batch,
    reason,
    count(*) as rows
from responses
where answered_at is null
group by model, prompt_batch, reason
order by model, prompt_batch, reason
