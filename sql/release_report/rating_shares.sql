-- How often each model got each rating of each attribute.
-- inputs: rated_responses, rubric
-- grain: place, model, value
-- output: place, attribute, model, value, responses
select
    rubric.position as place,
    rubric.attribute,
    coalesce(rated_responses.model, 'unknown') as model,
    rated_responses.scores[rubric.position] as value,
    count(*) as responses
from rated_responses
cross join rubric
where rated_responses.scores[rubric.position] is not null
group by all
order by place, model, value
