-- NeMo-RL's ranked completions: the better one has rank 0.
-- inputs: export_tasks
-- grain: context, completions
-- output: context, completions
select
    messages as context,
    [
        {'rank': 0, 'completion': [{'role': 'assistant', 'content': if(strength < 0, response_1, response_2)}]},
        {'rank': 1, 'completion': [{'role': 'assistant', 'content': if(strength < 0, response_2, response_1)}]}
    ] as completions
from export_tasks
where pair is null
order by place
