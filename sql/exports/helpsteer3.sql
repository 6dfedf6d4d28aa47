-- HelpSteer3-Preference's rows: the conversation as a list of messages, and the preference between two responses.
-- inputs: export_tasks
-- parameters: language
-- grain: context, response1, response2
-- output: domain, language, context, response1, response2, overall_preference, individual_preference
select
    'general' as domain,
    $language as language,
    messages as context,
    response_1 as response1,
    response_2 as response2,
    strength::bigint as overall_preference,
    list_transform(
        list_filter(coalesce(all_preferences, []), lambda given: given.retained),
        lambda given: {'score': given.strength::bigint, 'reasoning': coalesce(given.justification, '')}
    ) as individual_preference
from export_tasks
where preference is null
order by place
