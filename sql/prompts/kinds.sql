-- For each prompt of a batch, whether it passed the filters, and the first sound prompts, of this batch or one before
-- it, that have the same text and the same letters and digits. A prompt that did not pass is the first of its own.
-- inputs: prompt_signatures, prompt_verdicts
-- parameters: first_number, last_number
-- grain: intake_number
-- output: intake_number, prompt_id, passes, same_text, same_letters
with known as (
    select
        prompt_signatures.intake_number,
        prompt_signatures.prompt_id,
        prompt_signatures.text_hash,
        prompt_verdicts.reason is null as passes
    from prompt_signatures
    join prompt_verdicts using (intake_number)
    where prompt_signatures.intake_number <= $last_number
),

incoming as (
    select * from known
    where intake_number >= $first_number
),

same_texts as (
    select prompt_id, min(intake_number) as same_text
    from known
    semi join incoming using (prompt_id)
    where passes
    group by prompt_id
),

same_letterings as (
    select text_hash, min(intake_number) as same_letters
    from known
    semi join incoming using (text_hash)
    where passes
    group by text_hash
)

select
    incoming.intake_number,
    incoming.prompt_id,
    incoming.passes,
    if(incoming.passes, same_texts.same_text, incoming.intake_number) as same_text,
    if(incoming.passes, same_letterings.same_letters, incoming.intake_number) as same_letters
from incoming
left join same_texts using (prompt_id)
left join same_letterings using (text_hash)
order by incoming.intake_number
