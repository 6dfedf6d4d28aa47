-- Keeps or excludes each prompt, with a reason: what the filters say comes first, then duplicates. Of prompts that are
-- alike the first in order of intake, over all batches, is the one that stays.
-- inputs: raw_prompts, prompt_verdicts, prompt_clusters
-- parameters: first_number, last_number, exclude, exclude_from
-- grain: intake_number
-- output: prompt_batch, intake_number, prompt_id, source, licence, messages, turns, chars, kept, reason, detail,
--   duplicate_of, similarity, cluster, touches, language
with judged as (
    select
        raw_prompts.*,
        list_filter(raw_prompts.messages, lambda m: m.role = 'user') as spoken,
        prompt_verdicts.language,
        prompt_verdicts.detail,
        prompt_clusters.same_letters,
        prompt_clusters.nearest,
        prompt_clusters.similarity,
        prompt_clusters.cluster,
        prompt_clusters.touches,
        case
            when prompt_verdicts.reason is not null then prompt_verdicts.reason
            when raw_prompts.intake_number > prompt_clusters.same_text then 'duplicate'
            when raw_prompts.intake_number > prompt_clusters.same_letters then 'duplicate_normalised'
            when $exclude and prompt_clusters.similarity >= $exclude_from::float then 'near_duplicate'
        end as reason
    from raw_prompts
    join prompt_verdicts using (intake_number)
    join prompt_clusters using (intake_number)
    where raw_prompts.intake_number between $first_number and $last_number
)

select
    prompt_batch,
    intake_number,
    prompt_id,
    source,
    licence,
    messages,
    len(spoken)::integer as turns,
    coalesce(list_sum(list_transform(spoken, lambda m: length(m.content))), 0)::bigint as chars,
    reason is null as kept,
    reason,
    case reason
        when 'duplicate' then 'the same text as prompt ' || nearest
        when 'duplicate_normalised' then 'differs from prompt ' || nearest || ' in spacing, case or punctuation only'
        when 'near_duplicate' then format('{:.2f} like prompt {}', similarity, nearest)
        else detail
    end as detail,
    if(reason in ('duplicate', 'duplicate_normalised', 'near_duplicate'), nearest, null) as duplicate_of,
    similarity,
    cluster,
    touches,
    language
from judged
order by intake_number
