-- The preference of each released task that has one, between its first and its last response; without their text.
-- inputs: rated_responses, preferences
-- grain: task_id
-- output: place, task_id, split, preference_strength, preference_statement, response_id_1, response_id_2, model_1,
--   model_2, all_preferences
select
    row_number() over (order by task_id) as place,
    task_id,
    shown_first.split,
    preferences.strength as preference_strength,
    preferences.statement as preference_statement,
    shown_first.response_id as response_id_1,
    shown_last.response_id as response_id_2,
    shown_first.model as model_1,
    shown_last.model as model_2,
    preferences.all_preferences
from preferences
join rated_responses as shown_first using (task_id)
join rated_responses as shown_last using (task_id)
where preferences.strength is not null and shown_first.position = 1 and shown_last.position = 2
order by place
