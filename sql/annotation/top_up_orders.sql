-- Further annotators to order: what a task's coverage wants beyond those who are awaited already.
-- A task that nobody has rated yet is not topped up.
-- inputs: coverage, outstanding
-- parameters: campaign, round
-- grain: task_id
-- output: campaign, round, task_id, annotators, reason
select
    $campaign as campaign,
    $round::tinyint as round,
    task_id,
    (coverage.needed - outstanding.outstanding)::tinyint as annotators,
    if(coverage.disputed, 'disputed', 'replacement') as reason
from coverage
join outstanding using (task_id)
where outstanding.delivered > 0 and coverage.needed > outstanding.outstanding
order by task_id
