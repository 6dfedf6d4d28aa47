-- How many prompts, tasks and annotations came how far.
-- inputs: curated_prompts, selected_prompts, task_fates, retained_annotations, rated_responses
-- grain: place
-- output: place, kind, step, number
with reached as (
    select list_position(['validity', 'trust', 'coverage', 'closest', 'dispute', 'kept'], stage) as stage
    from retained_annotations
)

select 1 as place, 'prompts' as kind, 'delivered' as step, count(distinct prompt_id) as number
from curated_prompts
union all
select 2, 'prompts', 'kept by curation', count(distinct prompt_id)
from curated_prompts
where kept
union all
select 3, 'prompts', 'selected', count(distinct prompt_id)
from selected_prompts
where selected
union all
select 4, 'prompts', 'shown to annotators', count(distinct prompt_id)
from task_fates
union all
select 5, 'prompts', 'released', count(distinct prompt_id)
from task_fates
where published
union all
select 6, 'tasks', 'ordered', count(*)
from task_fates
union all
select 7, 'tasks', 'rated', count(*)
from task_fates
where annotators > 0
union all
select 8, 'tasks', 'released', count(*)
from task_fates
where published
union all
select 9, 'annotations', 'merged', count(*)
from reached
union all
select 10, 'annotations', 'valid', count(*)
from reached
where stage > 1
union all
select 11, 'annotations', 'of trusted annotators', count(*)
from reached
where stage > 2
union all
select 12, 'annotations', 'kept', count(*)
from reached
where stage = 6
union all
select 13, 'responses', 'shown to annotators', coalesce(sum(responses), 0)::bigint
from task_fates
union all
select 14, 'responses', 'released', count(*)
from rated_responses
order by place
