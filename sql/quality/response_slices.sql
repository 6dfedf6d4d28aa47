-- What figures of agreement are told apart by, beside campaign and vendor: the model that wrote each response, and the
-- topic of its prompt.
-- inputs: annotation_tasks, numbered_tasks, prompt_topics, topics
-- grain: task, position
-- output: task, position, model, topic
select
    numbered_tasks.task,
    annotation_tasks.position,
    coalesce(annotation_tasks.model, 'unknown') as model,
    coalesce(topics.label, 'unknown') as topic
from annotation_tasks
join numbered_tasks using (task_id)
left join prompt_topics using (prompt_id)
left join topics using (topic_id)
