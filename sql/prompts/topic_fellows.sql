-- What users say in the other prompts of the topics that some prompts are in; a null where a topic has no others.
-- inputs: prompt_topics, curated_prompts
-- parameters: prompt_ids
-- grain: topic_id, text
-- output: topic_id, text
with concerned as (
    select distinct topic_id
    from prompt_topics
    where list_contains($prompt_ids, prompt_id) and topic_id is not null
),

fellows as (
    select prompt_topics.topic_id, curated_prompts.messages
    from prompt_topics
    join curated_prompts using (prompt_batch, prompt_id)
    where curated_prompts.kept and not list_contains($prompt_ids, prompt_topics.prompt_id)
)

select
    concerned.topic_id,
    list_aggregate(
        list_transform(list_filter(fellows.messages, lambda m: m.role = 'user'), lambda m: m.content), 'string_agg', ' '
    ) as text
from concerned
left join fellows using (topic_id)
order by concerned.topic_id, text
