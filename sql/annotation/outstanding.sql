-- For each task the annotators ordered so far (first round and ledger), those who delivered
-- anything that was accepted, and those still awaited. Models that rate beside people were not ordered, and count in
-- none of these.
-- inputs: annotation_tasks, top_up_tasks, deliveries
-- grain: task_id
-- output: task_id, ordered, delivered, annotations, outstanding
with orders as (
    select distinct task_id, annotators from annotation_tasks
    union all
    select task_id, annotators from top_up_tasks
),

ordered as (
    select task_id, sum(annotators)::bigint as ordered
    from orders
    group by task_id
),

arrived as (
    select
        task_id,
        count(distinct annotator) as delivered,
        count(distinct (annotator, response_id)) as annotations
    from deliveries
    semi join annotation_tasks using (task_id, vendor)
    group by task_id
)

select
    task_id,
    ordered,
    coalesce(delivered, 0) as delivered,
    coalesce(annotations, 0) as annotations,
    greatest(ordered - coalesce(delivered, 0), 0) as outstanding
from ordered
left join arrived using (task_id)
order by task_id
