-- The sound prompts that others are compared with: of those with the same letters the first, if it has letters at all.
-- Those of batches before have their cluster; those of this batch are a cluster of their own as yet.
-- inputs: prompt_signatures, prompt_verdicts, prompt_clusters, kinds
-- parameters: first_number
-- grain: intake_number
-- output: intake_number, cluster, signature
with sound as (
    select prompt_clusters.intake_number, prompt_clusters.cluster
    from prompt_clusters
    join prompt_verdicts using (intake_number)
    where
        prompt_clusters.intake_number < $first_number
        and prompt_clusters.same_letters = prompt_clusters.intake_number
        and prompt_verdicts.reason is null
    union all
    select intake_number, prompt_id as cluster
    from kinds
    where passes and same_letters = intake_number
)

select sound.intake_number, sound.cluster, prompt_signatures.signature
from sound
join prompt_signatures using (intake_number)
where hex(prompt_signatures.signature) <> repeat('00', 128)
order by sound.intake_number
