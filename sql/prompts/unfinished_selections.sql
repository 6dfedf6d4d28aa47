-- The batches whose selection lacks prompts because the money did not reach the turns in between.
-- inputs: selected_prompts
-- grain: prompt_batch
-- output: prompt_batch
select distinct prompt_batch
from selected_prompts
where reason = 'completion_failed: budget'
order by prompt_batch
