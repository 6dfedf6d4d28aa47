-- The released responses with their ratings. Tasks of two responses come before tasks of one, so
-- that rows 2k and 2k+1 are one task, in shown order, for as long as tasks have two.
-- inputs: annotation_tasks, consensus, task_fates
-- grain: task_id, position
-- output: task_id, position, response_id, prompt_id, campaign, model, vendor, messages, response, scores, spreads,
--   n_annotators, simulated, split
select
    annotation_tasks.task_id,
    annotation_tasks.position,
    annotation_tasks.response_id,
    annotation_tasks.prompt_id,
    annotation_tasks.campaign,
    annotation_tasks.model,
    annotation_tasks.vendor,
    annotation_tasks.messages,
    annotation_tasks.response,
    consensus.scores,
    consensus.spreads,
    consensus.n_annotators,
    consensus.simulated,
    task_fates.split
from annotation_tasks
join task_fates using (task_id)
join consensus using (task_id, response_id)
where task_fates.published
order by task_fates.responses desc, annotation_tasks.task_id, annotation_tasks.position
