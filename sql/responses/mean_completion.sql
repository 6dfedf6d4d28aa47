-- How many answers of a model are known with their tokens, and how many tokens they have in the mean.
-- inputs: responses
-- grain: model
-- output: model, answers, mean_completion_tokens
select
    model,
    count(completion_tokens) as answers,
    avg(completion_tokens) as mean_completion_tokens
from responses
where status = 'ok' and completion_tokens is not null
group by model
