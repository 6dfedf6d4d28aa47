-- How far the preferences of two trusted annotators of a task are from each other, in the shape of
-- `distances`, so that the same statement finds the closest.
-- inputs: task_preferences
-- grain: task_id, first, second
-- output: task_id, first, second, deciding, total
select
    one.task_id,
    one.annotator as first,
    other.annotator as second,
    abs(one.strength::bigint - other.strength::bigint) as deciding,
    abs(one.strength::bigint - other.strength::bigint) as total
from task_preferences as one
join task_preferences as other
    on one.task_id = other.task_id and one.annotator <= other.annotator
order by one.task_id, first, second
