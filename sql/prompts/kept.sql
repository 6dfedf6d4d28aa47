-- The kept prompts of a batch, in an order that does not depend on how they came.
-- inputs: curated_prompts
-- grain: prompt_id
-- output: prompt_batch, prompt_id, messages
select prompt_batch, prompt_id, messages
from curated_prompts
where kept
order by prompt_id
