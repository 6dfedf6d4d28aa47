-- The kept prompts of a batch, selected or left with a reason: each that has a place in the order of selection is
-- selected. Of the others, those of a source that had its share already are told from those that came too late. Of a
-- prompt that was withdrawn only its place is left.
-- inputs: curated_prompts, prompt_topics, prompt_complexity, places, full_sources, earlier_selection
-- grain: prompt_id
-- output: prompt_batch, prompt_id, intake_number, source, licence, messages, turns, topic_id, complexity, place,
--   selected, reason
select
    curated_prompts.prompt_batch,
    curated_prompts.prompt_id,
    curated_prompts.intake_number,
    curated_prompts.source,
    curated_prompts.licence,
    curated_prompts.messages,
    curated_prompts.turns,
    prompt_topics.topic_id,
    prompt_complexity.level as complexity,
    places.place,
    places.place is not null as selected,
    case
        when places.place is not null then null
        when full_sources.source is not null then 'source_share'
        else 'beyond_target'
    end as reason
from curated_prompts
left join prompt_topics using (prompt_batch, prompt_id)
join prompt_complexity using (prompt_batch, prompt_id)
left join places using (prompt_id)
left join full_sources using (source)
where curated_prompts.kept
union all
select
    earlier_selection.prompt_batch,
    earlier_selection.prompt_id,
    earlier_selection.intake_number,
    earlier_selection.source,
    earlier_selection.licence,
    earlier_selection.messages,
    earlier_selection.turns,
    earlier_selection.topic_id,
    earlier_selection.complexity,
    places.place,
    false as selected,
    earlier_selection.reason
from earlier_selection
left join places using (prompt_id)
where earlier_selection.reason = 'withdrawn'
order by prompt_id
