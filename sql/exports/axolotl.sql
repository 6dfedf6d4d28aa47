-- axolotl's Bradley-Terry rows, which know one question only; `system` is empty where there is none.
-- inputs: export_tasks
-- grain: task_id
-- output: system, input, chosen, rejected, task_id
select
    if(messages[1].role = 'system', messages[1].content, '') as system,
    messages[-1].content as input,
    if(strength < 0, response_1, response_2) as chosen,
    if(strength < 0, response_2, response_1) as rejected,
    task_id
from export_tasks
where single_turn is null
order by place
