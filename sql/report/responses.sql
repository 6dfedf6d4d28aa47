-- Answers, failures, tokens and cost of some models in some batches.
-- inputs: responses
-- parameters: prompt_batches, models
-- grain: model
-- output: model, answered, failed, prompt_tokens, completion_tokens, cost_usd
select
    model,
    count(*) filter (where status = 'ok') as answered,
    count(*) filter (where status <> 'ok') as failed,
    coalesce(sum(prompt_tokens), 0)::bigint as prompt_tokens,
    coalesce(sum(completion_tokens), 0)::bigint as completion_tokens,
    sum(cost_usd) as cost_usd
from responses
where list_contains($prompt_batches, prompt_batch) and list_contains($models, model)
group by model
order by model
