-- The kept prompts of a batch with all that selection looks at, in the order of their permanent random numbers. Those that
-- were withdrawn after they had a place still stand for it, so that no other prompt moves up.
-- inputs: curated_prompts, prompt_topics, prompt_complexity, earlier_selection
-- parameters: seed
-- grain: prompt_id
-- output: prompt_id, topic, level, multi_turn, source
with standing as (
    select
        curated_prompts.prompt_id,
        prompt_topics.topic_id,
        prompt_complexity.level,
        curated_prompts.turns,
        curated_prompts.source
    from curated_prompts
    left join prompt_topics using (prompt_batch, prompt_id)
    join prompt_complexity using (prompt_batch, prompt_id)
    where curated_prompts.kept
    union all
    select prompt_id, topic_id, complexity, turns, source
    from earlier_selection
    where reason = 'withdrawn'
)

select
    prompt_id,
    coalesce(topic_id, '') as topic,
    level,
    turns > 1 as multi_turn,
    source
from standing
order by sha256(concat_ws('|', 'selection', $seed::varchar, prompt_id)), prompt_id
