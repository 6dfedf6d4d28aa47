-- Whether prompts were selected, and who wrote the turns in between.
-- inputs: selected_prompts
-- parameters: prompt_ids
-- grain: prompt_batch, prompt_id
-- output: prompt_batch, prompt_id, selected, reason, completion_model, completion_licence, completion_may_train
select prompt_batch, prompt_id, selected, reason, completion_model, completion_licence, completion_may_train
from selected_prompts
where prompt_id in (select unnest($prompt_ids))
order by prompt_batch, prompt_id
