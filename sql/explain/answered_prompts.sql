-- The prompt that a response answers.
-- inputs: responses
-- parameters: id
-- grain: prompt_id
-- output: prompt_id
select distinct prompt_id
from responses
where response_id = $id
order by prompt_id
