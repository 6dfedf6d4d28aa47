-- What became of the prompts of some batches: one row for those that go on, one for each reason why not.
-- inputs: curated_prompts, selected_prompts
-- parameters: prompt_batches
-- grain: stage, reason
-- output: stage, reason, prompts
select 'curation' as stage, split_part(reason, ':', 1) as reason, count(*) as prompts
from curated_prompts
where not kept and list_contains($prompt_batches, prompt_batch)
group by all
union all
select 'selection' as stage, split_part(coalesce(reason, 'selected'), ':', 1) as reason, count(*) as prompts
from selected_prompts
where list_contains($prompt_batches, prompt_batch)
group by all
order by stage, reason
