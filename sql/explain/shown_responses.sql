-- The responses of tasks in shown order, with the published rating if there is one.
-- inputs: annotation_tasks, consensus
-- parameters: task_ids
-- grain: task_id, position
-- output: campaign, task_id, position, prompt_id, response_id, messages, response, model, model_name, revision,
--   parameters, request_hash, model_licence, outputs_may_train, source, source_licence, completion_model,
--   completion_licence, completion_may_train, vendor, guideline_version, annotators, scores, spreads, n_annotators
select
    annotation_tasks.campaign,
    annotation_tasks.task_id,
    annotation_tasks.position,
    annotation_tasks.prompt_id,
    annotation_tasks.response_id,
    annotation_tasks.messages,
    annotation_tasks.response,
    annotation_tasks.model,
    annotation_tasks.model_name,
    annotation_tasks.revision,
    annotation_tasks.parameters,
    annotation_tasks.request_hash,
    annotation_tasks.model_licence,
    annotation_tasks.outputs_may_train,
    annotation_tasks.source,
    annotation_tasks.source_licence,
    annotation_tasks.completion_model,
    annotation_tasks.completion_licence,
    annotation_tasks.completion_may_train,
    annotation_tasks.vendor,
    annotation_tasks.guideline_version,
    annotation_tasks.annotators,
    consensus.scores,
    consensus.spreads,
    consensus.n_annotators
from annotation_tasks
left join consensus
    on annotation_tasks.task_id = consensus.task_id and annotation_tasks.response_id = consensus.response_id
where annotation_tasks.task_id in (select unnest($task_ids))
order by annotation_tasks.task_id, annotation_tasks.position
