-- What a campaign received: rows accepted, and rows quarantined by rule.
-- inputs: deliveries, quarantine
-- grain: outcome
-- output: outcome, rows
select 'accepted' as outcome, count(*) as rows
from deliveries
union all
select rule as outcome, count(*) as rows
from quarantine
group by rule
order by outcome
