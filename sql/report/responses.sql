-- Answers, failures, tokens and cost of each model.
-- inputs: responses
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
group by model
order by model
