-- How many tasks each kind of format cannot have, by reason; and how many have equal ratings.
-- inputs: export_tasks
-- grain: needs, reason
-- output: needs, reason, tasks
select needs, reason, count(*) as tasks
from (
    unpivot (
        select pair, single_turn, preference, flat_preference, flat_rows, flat_labels, equal_ratings
        from export_tasks
    ) on pair, single_turn, preference, flat_preference, flat_rows, flat_labels, equal_ratings
    into name needs value reason
)
group by needs, reason
order by needs, reason
