-- How often the judge and the rule gave which levels of complexity to the same prompts of a batch.
-- inputs: prompt_complexity
-- grain: by_rule, by_judge
-- output: by_rule, by_judge, prompts
select by_rule, by_judge, count(*) as prompts
from prompt_complexity
where by_judge is not null
group by by_rule, by_judge
order by by_rule, by_judge
