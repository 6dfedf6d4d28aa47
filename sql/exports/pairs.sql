-- Chosen and rejected answers to one conversation, as messages; the margin is the strength of the preference.
-- inputs: export_tasks
-- grain: task_id
-- output: prompt, chosen, rejected, margin, task_id
select
    messages as prompt,
    [{'role': 'assistant', 'content': if(strength < 0, response_1, response_2)}] as chosen,
    [{'role': 'assistant', 'content': if(strength < 0, response_2, response_1)}] as rejected,
    abs(strength)::float as margin,
    task_id
from export_tasks
where pair is null
order by place
