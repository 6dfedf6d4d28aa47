-- HelpSteer2's rated responses: two adjacent rows a task, in shown order.
-- inputs: export_tasks
-- grain: prompt, response
-- output: prompt, response, scores
with rated as (
    select
        place,
        prompt,
        unnest([
            {'position': 1, 'response': response_1, 'scores': scores_1::bigint[]},
            {'position': 2, 'response': response_2, 'scores': scores_2::bigint[]}
        ]) as shown
    from export_tasks
    where flat_rows is null
)

select prompt, shown.response as response, shown.scores as scores
from rated
order by place, shown.position
