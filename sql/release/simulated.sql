-- Whether any rating of the release, kept or not, is simulated.
-- inputs: rated_responses, single_annotations
-- grain: simulated
-- output: simulated
select coalesce((select bool_or(simulated) from rated_responses), false)
    or coalesce((select bool_or(simulated) from single_annotations), false) as simulated
