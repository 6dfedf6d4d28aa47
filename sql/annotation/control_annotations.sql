-- What annotators said of control tasks, beside what is known of them.
-- inputs: annotation_fates, deliveries, control_tasks
-- grain: task_id, response_id, annotator
-- output: campaign, task_id, response_id, annotator, scores, kind, expected, of_task_id, of_response_id
select
    deliveries.campaign,
    task_id,
    response_id,
    annotator,
    scores,
    control_tasks.kind,
    control_tasks.expected,
    control_tasks.of_task_id,
    control_tasks.of_response_id
from deliveries
semi join (from annotation_fates where fate = 'control') as control using (delivery_id, row_number)
join control_tasks using (task_id, response_id)
order by task_id, response_id, annotator
