-- The prompts of a batch before and after selection: how many of each topic, complexity, length, number of turns and
-- source were kept, and how many of these were selected.
-- inputs: selected_prompts, topics
-- grain: dimension, value
-- output: dimension, value, label, kept, selected
with measured as (
    select
        prompt_id,
        selected,
        source,
        turns,
        complexity,
        topic_id,
        list_sum(list_transform(list_filter(messages, lambda m: m.role = 'user'), lambda m: length(m.content))) as chars
    from selected_prompts
),

valued as (
    select selected, 'complexity' as dimension, complexity::varchar as value, complexity::varchar as label
    from measured
    union all
    select
        selected,
        'turns',
        lpad(least(turns, 6)::varchar, 2, '0'),
        if(turns < 6, turns::varchar, '6 and more')
    from measured
    union all
    select
        selected,
        'length',
        case when chars < 50 then 'a' when chars < 100 then 'b' when chars < 200 then 'c' when chars < 400 then 'd'
            when chars < 800 then 'e' when chars < 1600 then 'f' when chars < 3200 then 'g' else 'h' end,
        case when chars < 50 then 'under 50' when chars < 100 then '50 to 99' when chars < 200 then '100 to 199'
            when chars < 400 then '200 to 399' when chars < 800 then '400 to 799' when chars < 1600 then '800 to 1599'
            when chars < 3200 then '1600 to 3199' else '3200 and more' end
    from measured
    union all
    select selected, 'source', source, source
    from measured
    union all
    select measured.selected, 'topic', coalesce(measured.topic_id, ''), coalesce(topics.label, '(none)')
    from measured
    left join topics using (topic_id)
)

select dimension, value, label, count(*) as kept, count(*) filter (where selected) as selected
from valued
group by dimension, value, label
order by dimension, value
