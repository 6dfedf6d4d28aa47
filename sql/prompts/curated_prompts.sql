-- Keeps or excludes each prompt of a batch, with a reason. A duplicate is compared over all batches,
-- and the first in order of intake is the one that stays.
-- inputs: raw_prompts
-- parameters: prompt_batch, min_chars, max_chars, max_turns
-- grain: intake_number
-- output: prompt_batch, intake_number, prompt_id, source, licence, messages, turns, chars, kept, reason, detail,
--   duplicate_of
with measured as (
    select
        *,
        len(messages)::integer as turns,
        coalesce(list_sum(list_transform(messages, lambda m: length(m.content))), 0)::bigint as chars,
        -- Letters and digits only, so that case, spacing and punctuation make no difference.
        list_transform(
            messages,
            lambda m: trim(regexp_replace(lower(nfc_normalize(m.content)), '[^\p{L}\p{N}]+', ' ', 'g'))
        ) as words
    from raw_prompts
),

judged as (
    select
        *,
        case
            when defect is not null then 'invalid'
            when turns > $max_turns then 'too_many_turns'
            when chars < $min_chars then 'too_short'
            when chars > $max_chars then 'too_long'
        end as reason,
        case
            when defect is not null then defect
            when turns > $max_turns then turns || ' turns'
            when chars < $min_chars or chars > $max_chars then chars || ' characters'
        end as detail
    from measured
),

compared as (
    select
        *,
        min(intake_number) filter (where reason is null) over (partition by prompt_id) as first_exact,
        -- A text without a single letter or digit is compared as it stands.
        min(intake_number) filter (where reason is null) over (
            partition by if(array_to_string(words, '') = '', [prompt_id], words)
        ) as first_normalised
    from judged
)

select
    prompt_batch,
    intake_number,
    prompt_id,
    source,
    licence,
    messages,
    turns,
    chars,
    reason is null and intake_number = first_normalised as kept,
    case
        when reason is not null then reason
        when intake_number > first_exact then 'duplicate'
        when intake_number > first_normalised then 'duplicate_normalised'
    end as reason,
    case
        when reason is not null then detail
        when intake_number > first_exact then 'the same text as prompt ' || first_exact
        when intake_number > first_normalised then 'differs from prompt ' || first_normalised || ' in spacing, case or punctuation only'
    end as detail,
    case
        when reason is not null then null
        when intake_number > first_normalised then first_normalised
    end as duplicate_of
from compared
where prompt_batch = $prompt_batch
order by intake_number
