-- The tasks of one round as a vendor sees them: without a word on who wrote the responses, and
-- with the annotators who had rated the task in earlier rounds.
-- inputs: annotation_tasks, top_up_tasks, deliveries
-- parameters: round
-- grain: task_id
-- output: task_id, campaign, guideline_version, annotators, messages, responses, rated_by
with ordered as (
    select distinct task_id, annotators from annotation_tasks where $round = 1
    union all
    select task_id, annotators from top_up_tasks where round = $round
),

raters as (
    select task_id, list_sort(list_distinct(list(annotator))) as rated_by
    from deliveries
    where round < $round
    group by task_id
),

shown as (
    select
        task_id,
        campaign,
        guideline_version,
        messages,
        list({'response_id': response_id, 'position': position, 'text': response} order by position) as responses
    from annotation_tasks
    group by task_id, campaign, guideline_version, messages
)

select
    task_id,
    campaign,
    guideline_version,
    ordered.annotators,
    messages,
    responses,
    coalesce(rated_by, []) as rated_by
from ordered
join shown using (task_id)
left join raters using (task_id)
order by task_id
