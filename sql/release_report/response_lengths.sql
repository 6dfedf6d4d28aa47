-- How long each model's responses are, in characters: the shortest twentieth, the quartiles and the longest twentieth.
-- inputs: rated_responses
-- grain: model
-- output: model, responses, p5, p25, p50, p75, p95
select
    coalesce(model, 'unknown') as model,
    count(*) as responses,
    quantile_disc(response_chars, 0.05) as p5,
    quantile_disc(response_chars, 0.25) as p25,
    quantile_disc(response_chars, 0.5) as p50,
    quantile_disc(response_chars, 0.75) as p75,
    quantile_disc(response_chars, 0.95) as p95
from rated_responses
group by all
order by model
