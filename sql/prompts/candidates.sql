-- The kept prompts of a batch with all that selection looks at, in the order of their permanent random numbers.
-- inputs: curated_prompts, prompt_topics, prompt_complexity
-- parameters: seed
-- grain: prompt_id
-- output: prompt_id, topic, level, multi_turn, source
select
    curated_prompts.prompt_id,
    coalesce(prompt_topics.topic_id, '') as topic,
    prompt_complexity.level,
    curated_prompts.turns > 1 as multi_turn,
    curated_prompts.source
from curated_prompts
left join prompt_topics using (prompt_batch, prompt_id)
join prompt_complexity using (prompt_batch, prompt_id)
where curated_prompts.kept
order by sha256(concat_ws('|', 'selection', $seed::varchar, prompt_id)), prompt_id
