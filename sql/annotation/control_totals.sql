-- A campaign's control tasks by kind: what was ordered and what came, in annotators of a task and, as they are paid for,
-- in annotations. Models that rate beside people count in none of these.
-- inputs: control_tasks, deliveries
-- parameters: vendor
-- grain: kind
-- output: kind, tasks, ordered, delivered, outstanding, annotations_ordered, annotations
with arrived as (
    select
        task_id,
        count(distinct annotator) as delivered,
        count(distinct (annotator, response_id)) as annotations
    from deliveries
    where vendor = $vendor
    group by task_id
),

controls as (
    select
        kind,
        task_id,
        min(annotators)::bigint as ordered,
        sum(annotators)::bigint as annotations_ordered
    from control_tasks
    group by kind, task_id
)

select
    controls.kind,
    count(*) as tasks,
    sum(controls.ordered)::bigint as ordered,
    coalesce(sum(arrived.delivered), 0)::bigint as delivered,
    sum(greatest(controls.ordered - coalesce(arrived.delivered, 0), 0))::bigint as outstanding,
    sum(controls.annotations_ordered)::bigint as annotations_ordered,
    coalesce(sum(arrived.annotations), 0)::bigint as annotations
from controls
left join arrived using (task_id)
group by controls.kind
order by controls.kind
