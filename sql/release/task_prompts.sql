-- The prompts of the campaigns' tasks.
-- inputs: annotation_tasks
-- grain: prompt_id
-- output: prompt_id
select distinct prompt_id
from annotation_tasks
order by prompt_id
