-- What two policies make of the same ratings: how many annotators' ratings of a task, and of how many tasks, have one
-- fate under the first and another (or the same) under the second. A fate is the reason for leaving, or `kept`.
-- inputs: first_fates, second_fates
-- grain: first, second
-- output: first, second, task_annotations, tasks
select
    coalesce(first_fates.reason, first_fates.stage) as first,
    coalesce(second_fates.reason, second_fates.stage) as second,
    count(distinct (task, annotator)) as task_annotations,
    count(distinct task) as tasks
from first_fates
join second_fates using (task, annotator, position)
group by first, second
order by first, second
