-- A campaign's orders and arrivals, summed over its own tasks.
-- inputs: outstanding, responses_ordered, top_up_tasks
-- parameters: campaign
-- grain: campaign
-- output: campaign, tasks, ordered, delivered, annotations_ordered, annotations, outstanding, awaiting_tasks, rounds
select
    $campaign as campaign,
    count(*) as tasks,
    coalesce(sum(outstanding.ordered), 0)::bigint as ordered,
    coalesce(sum(delivered), 0)::bigint as delivered,
    coalesce(sum(responses * responses_ordered.ordered), 0)::bigint as annotations_ordered,
    coalesce(sum(annotations), 0)::bigint as annotations,
    coalesce(sum(outstanding.outstanding), 0)::bigint as outstanding,
    count(*) filter (outstanding.outstanding > 0) as awaiting_tasks,
    if(count(*) = 0, 0, coalesce((select max(round) from top_up_tasks), 1)) as rounds
from outstanding
join responses_ordered using (task_id)
