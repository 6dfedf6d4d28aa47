-- The released responses with their ratings, each with its place in the order of the files, and without text. Tasks of
-- two responses come before tasks of one, so that rows 2k and 2k+1 are one task, in shown order, for as long as tasks
-- have two.
-- inputs: annotation_tasks, consensus, task_fates
-- grain: task_id, position
-- output: place, task_id, position, response_id, prompt_id, campaign, model, vendor, turns, prompt_chars,
--   response_chars, scores, spreads, n_annotators, simulated, split
select
    row_number() over (
        order by task_fates.responses desc, annotation_tasks.task_id, annotation_tasks.position
    ) as place,
    annotation_tasks.task_id,
    annotation_tasks.position,
    annotation_tasks.response_id,
    annotation_tasks.prompt_id,
    annotation_tasks.campaign,
    annotation_tasks.model,
    annotation_tasks.vendor,
    len(annotation_tasks.messages) as turns,
    list_sum(list_transform(annotation_tasks.messages, lambda message: length(message.content))) as prompt_chars,
    length(annotation_tasks.response) as response_chars,
    consensus.scores,
    consensus.spreads,
    consensus.n_annotators,
    consensus.simulated,
    task_fates.split
from annotation_tasks
join task_fates using (task_id)
join consensus using (task_id, response_id)
where task_fates.published
order by place
