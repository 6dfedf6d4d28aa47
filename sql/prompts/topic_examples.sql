-- The prompts that stand for each topic, over all batches, as long as they are there.
-- inputs: topics, curated_prompts
-- grain: topic_id, prompt_id
-- output: topic_id, prompt_id, messages
with examples as (
    select topic_id, unnest(examples) as prompt_id
    from topics
),

texts as (
    select prompt_id, messages
    from curated_prompts
    qualify row_number() over (partition by prompt_id order by intake_number) = 1
)

select examples.topic_id, examples.prompt_id, texts.messages
from examples
join texts using (prompt_id)
order by examples.topic_id, examples.prompt_id
