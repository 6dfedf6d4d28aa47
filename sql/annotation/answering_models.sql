-- The wanted models that have answered at least one prompt of the wanted batches.
-- inputs: responses
-- parameters: prompt_batches, models
-- grain: model
-- output: model
select distinct model
from responses
where status = 'ok' and list_contains($prompt_batches, prompt_batch) and list_contains($models, model)
order by model
