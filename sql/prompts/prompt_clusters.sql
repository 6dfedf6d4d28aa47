-- For each prompt of a batch the earlier prompt that it is most like, and its cluster. Prompts with the same letters are
-- in the cluster of the first of them, and touch what it touches. A prompt that the filters exclude is in none.
-- inputs: kinds, near, prompt_clusters
-- parameters: prompt_batch, first_number
-- grain: intake_number
-- output: prompt_batch, intake_number, same_text, same_letters, nearest, similarity, cluster, touches
with firsts as (
    select kinds.intake_number, coalesce(near.cluster, kinds.prompt_id) as cluster, near.touches
    from kinds
    left join near using (intake_number)
    where kinds.passes
    union all
    select intake_number, cluster, touches
    from prompt_clusters
    where intake_number < $first_number
)

select
    $prompt_batch as prompt_batch,
    kinds.intake_number,
    kinds.same_text,
    kinds.same_letters,
    if(kinds.same_letters < kinds.intake_number, kinds.same_letters, near.nearest) as nearest,
    if(kinds.same_letters < kinds.intake_number, 1::float, near.similarity) as similarity,
    firsts.cluster,
    coalesce(firsts.touches, []::varchar[]) as touches
from kinds
left join firsts on kinds.same_letters = firsts.intake_number
left join near on kinds.intake_number = near.intake_number
order by kinds.intake_number
