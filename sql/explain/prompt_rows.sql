-- Each time that a prompt was delivered, and whether it was kept; the later ones are duplicates.
-- inputs: raw_prompts, curated_prompts
-- parameters: prompt_ids
-- grain: intake_number
-- output: prompt_batch, intake_number, prompt_id, file, row_number, source, licence, messages, defect, kept, reason,
--   detail, duplicate_of
select
    raw_prompts.prompt_batch,
    raw_prompts.intake_number,
    raw_prompts.prompt_id,
    raw_prompts.file,
    raw_prompts.row_number,
    raw_prompts.source,
    raw_prompts.licence,
    raw_prompts.messages,
    raw_prompts.defect,
    curated_prompts.kept,
    curated_prompts.reason,
    curated_prompts.detail,
    curated_prompts.duplicate_of
from raw_prompts
left join curated_prompts
    on raw_prompts.prompt_batch = curated_prompts.prompt_batch
    and raw_prompts.intake_number = curated_prompts.intake_number
where raw_prompts.prompt_id in (select unnest($prompt_ids))
order by raw_prompts.intake_number
