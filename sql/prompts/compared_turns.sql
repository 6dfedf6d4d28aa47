-- What the users say in the prompts that are compared, turn by turn.
-- inputs: raw_prompts, compared
-- grain: intake_number
-- output: intake_number, turns
select
    intake_number,
    list_transform(list_filter(messages, lambda m: m.role = 'user'), lambda m: m.content) as turns
from raw_prompts
semi join compared using (intake_number)
order by intake_number
