-- HelpSteer2-Preference's rows. Its elaborations and similar preferences are cut from longer justifications by a rule
-- of its authors: here all that annotators wrote is in `all_preferences_unprocessed`.
-- inputs: export_tasks
-- parameters: split
-- grain: prompt, response_1, response_2
-- output: split, prompt, response_1, response_2, preference_strength, preference_statement, preference_elaboration,
--   three_most_similar_preferences, all_preferences_unprocessed
select
    if($split = 'validation', 'val', $split) as split,
    prompt,
    response_1,
    response_2,
    strength::bigint as preference_strength,
    coalesce(statement, '') as preference_statement,
    '' as preference_elaboration,
    list_transform(
        list_filter(coalesce(all_preferences, []), lambda given: given.retained),
        lambda given: {
            'statement': coalesce(given.justification, ''), 'elaboration': '', 'strength': given.strength::bigint
        }
    ) as three_most_similar_preferences,
    list_transform(
        coalesce(all_preferences, []),
        lambda given: {'strength': given.strength::bigint, 'justification': coalesce(given.justification, '')}
    ) as all_preferences_unprocessed
from export_tasks
where flat_preference is null
order by place
