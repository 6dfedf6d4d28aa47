-- What the layout of ballots follows from: the scale, the number of attributes, and the most responses of a task.
-- A word of a ballot has 64 bits, or 128 for a scale of more than 64 levels; `fields` of it hold a score.
-- inputs: annotations, rubric
-- grain: levels
-- output: highest, levels, attributes, responses, fields, words
with sizes as (
    select
        max(rubric.highest)::integer as highest,
        (max(rubric.highest) - min(rubric.lowest) + 1)::integer as levels,
        count(*)::integer as attributes,
        (select coalesce(max(position), 1) from annotations)::integer as responses
    from rubric
)

select
    highest,
    levels,
    attributes,
    responses,
    if(levels <= 64, 64, 128) // levels as fields,
    (responses * attributes + fields - 1) // fields as words
from sizes
