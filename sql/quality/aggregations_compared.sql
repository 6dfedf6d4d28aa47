-- How far each other way to one rating is from the published consensus: the share of responses to which it gives the same
-- level, rounded half up, and its mean absolute distance, in levels.
-- inputs: aggregations, consensus, rubric
-- grain: method, attribute
-- output: method, attribute, responses, same, apart
select
    methods.method,
    rubric.attribute,
    count(*) as responses,
    avg((floor(methods.level + 0.5) = consensus.scores[rubric.position])::integer) as same,
    avg(abs(methods.level - consensus.scores[rubric.position])) as apart
from aggregations
join rubric using (attribute)
join consensus using (task_id, response_id)
cross join
    lateral (
        values
        (1, 'mean', aggregations.mean),
        (2, 'median', aggregations.median),
        (3, 'dawid_skene', aggregations.dawid_skene),
        (4, 'annotator_model', aggregations.annotator_model)
    ) as methods (place, method, level)
where methods.level is not null and consensus.scores[rubric.position] is not null
group by methods.place, methods.method, rubric.attribute, rubric.position
order by methods.place, rubric.position
