-- Where the released prompts come from, and under which licence.
-- inputs: released_prompts
-- grain: source, licence
-- output: source, licence, prompts
select source, licence, count(distinct prompt_id) as prompts
from released_prompts
group by source, licence
order by source, licence
