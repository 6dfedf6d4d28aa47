-- The tasks of one round as a vendor sees them: without a word on who wrote the responses, and
-- with the annotators they are not for: those who had rated the task in earlier rounds, and, as
-- soon as there are records, those who are not trusted. The first round has the control tasks among its own.
-- inputs: annotation_tasks, control_tasks, top_up_tasks, deliveries, annotator_quality
-- parameters: round
-- grain: task_id
-- output: task_id, campaign, guideline_version, annotators, messages, responses, not_for
with ordered as (
    select distinct task_id, annotators from annotation_tasks where $round = 1
    union all
    select distinct task_id, annotators from control_tasks where $round = 1
    union all
    select task_id, annotators from top_up_tasks where round = $round
),

barred as (
    select task_id, annotator
    from deliveries
    where round < $round
    union
    select ordered.task_id, annotator_quality.annotator
    from ordered
    cross join annotator_quality
    where $round > 1 and not annotator_quality.trusted
),

lists as (
    select task_id, list(annotator order by annotator) as not_for
    from barred
    group by task_id
),

all_tasks as (
    select campaign, task_id, position, response_id, messages, response from annotation_tasks
    union all
    select campaign, task_id, position, response_id, messages, response from control_tasks
),

shown as (
    select
        task_id,
        campaign,
        (select min(guideline_version) from annotation_tasks) as guideline_version,
        messages,
        list({'response_id': response_id, 'position': position, 'text': response} order by position) as responses
    from all_tasks
    group by task_id, campaign, messages
)

select
    task_id,
    campaign,
    guideline_version,
    ordered.annotators,
    messages,
    responses,
    coalesce(not_for, []) as not_for
from ordered
join shown using (task_id)
left join lists using (task_id)
order by task_id
