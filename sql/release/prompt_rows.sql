-- The released prompts with their text: the rows of `provenance/prompts`.
-- inputs: released_prompts, annotation_tasks
-- grain: prompt_id, source, licence, completion_model, completion_licence, messages
-- output: prompt_id, split, source, licence, completion_model, completion_licence, messages, tasks
select
    released_prompts.prompt_id,
    released_prompts.split,
    released_prompts.source,
    released_prompts.licence,
    released_prompts.completion_model,
    released_prompts.completion_licence,
    annotation_tasks.messages,
    released_prompts.tasks
from released_prompts
join annotation_tasks on released_prompts.shown_in = annotation_tasks.task_id and annotation_tasks.position = 1
order by
    released_prompts.prompt_id,
    released_prompts.source,
    released_prompts.licence,
    released_prompts.completion_model,
    released_prompts.completion_licence,
    released_prompts.shown_in
