-- NeMo-Aligner's regression rows: the conversation in its template, and a label for each place of `label_places`,
-- which names the rated attribute that belongs there. -100 is what its loss leaves out.
-- inputs: export_tasks
-- parameters: label_places
-- grain: text, label
-- output: text, label
with rated as (
    select
        place,
        if(
            messages[1].role = 'system',
            prompt,
            concat('<extra_id_0>System', chr(10), chr(10), '<extra_id_1>User', chr(10), prompt)
        ) as question,
        unnest([
            {'position': 1, 'response': response_1, 'scores': scores_1},
            {'position': 2, 'response': response_2, 'scores': scores_2}
        ]) as shown
    from export_tasks
    where flat_labels is null
)

select
    concat(question, chr(10), '<extra_id_1>Assistant', chr(10), shown.response, chr(10), '<extra_id_2>') as text,
    list_transform(
        $label_places::integer[], lambda number: coalesce(shown.scores[number], -100)::float
    ) as label
from rated
where shown.response is not null
order by place, shown.position
