-- How much each split holds.
-- inputs: rated_responses, task_preferences, single_annotations
-- grain: split
-- output: split, prompts, tasks, responses, preferences, annotations
with rated as (
    select
        split,
        count(distinct prompt_id) as prompts,
        count(distinct task_id) as tasks,
        count(*) as responses
    from rated_responses
    group by split
),

preferred as (
    select split, count(*) as preferences
    from task_preferences
    group by split
),

annotated as (
    select split, count(*) as annotations
    from single_annotations
    group by split
)

select
    splits.split,
    coalesce(rated.prompts, 0) as prompts,
    coalesce(rated.tasks, 0) as tasks,
    coalesce(rated.responses, 0) as responses,
    coalesce(preferred.preferences, 0) as preferences,
    coalesce(annotated.annotations, 0) as annotations
from (values ('train'), ('validation')) as splits (split)
left join rated using (split)
left join preferred using (split)
left join annotated using (split)
order by splits.split
