-- The kept prompts of a batch that have not been given a topic yet.
-- inputs: curated_prompts, prompt_topics
-- grain: prompt_id
-- output: prompt_batch, prompt_id, messages
select prompt_batch, prompt_id, messages
from curated_prompts
anti join prompt_topics using (prompt_batch, prompt_id)
where kept
order by prompt_id
