-- Each topic with its prompts over all batches, the largest first.
-- inputs: topics, prompt_topics
-- grain: topic_id
-- output: topic_id, label, prompt_batch, prompts
with sizes as (
    select topic_id, count(*) as prompts
    from prompt_topics
    group by topic_id
)

select topics.topic_id, topics.label, topics.prompt_batch, coalesce(sizes.prompts, 0) as prompts
from topics
left join sizes using (topic_id)
order by prompts desc, topics.topic_id
