-- Preferences with the text of both responses, a stretch of places: the rows of the `preference` files.
-- inputs: task_preferences, annotation_tasks
-- parameters: first, last, lowest_task, highest_task
-- grain: place
-- output: place, task_id, split, messages, response_1, response_2, preference_strength, preference_statement,
--   response_id_1, response_id_2, model_1, model_2, all_preferences
with shown as (
    select
        task_id,
        any_value(messages) filter (where position = 1) as messages,
        any_value(response) filter (where position = 1) as response_1,
        any_value(response) filter (where position = 2) as response_2
    from annotation_tasks
    -- The same as the places say, for Parquet: whole row groups need not be read.
    where task_id between $lowest_task and $highest_task
    group by task_id
)

select
    task_preferences.place,
    task_preferences.task_id,
    task_preferences.split,
    shown.messages,
    shown.response_1,
    shown.response_2,
    task_preferences.preference_strength,
    task_preferences.preference_statement,
    task_preferences.response_id_1,
    task_preferences.response_id_2,
    task_preferences.model_1,
    task_preferences.model_2,
    task_preferences.all_preferences
from task_preferences
join shown using (task_id)
where task_preferences.place between $first and $last
order by task_preferences.place
