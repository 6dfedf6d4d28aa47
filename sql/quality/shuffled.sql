-- All annotations with the trusted ones shuffled: the scores of whole task-annotations (all responses, all
-- attributes of one annotator) are permuted across tasks with the same number of responses, within campaign and
-- vendor. Each task keeps its annotators' places and their number; the order is a hash of seed and ids.
-- inputs: retained_annotations
-- parameters: seed
-- grain: task_id, response_id, annotator
-- output: task_id, response_id, position, annotator, scores, stage
with trusted as (
    select
        campaign,
        vendor,
        task_id,
        response_id,
        position,
        annotator,
        scores,
        stage,
        row_number() over (partition by task_id, annotator order by position) as place,
        count(*) over (partition by task_id, annotator) as responses
    from retained_annotations
    where stage not in ('validity', 'trust')
),

task_annotations as (
    select distinct campaign, vendor, responses, task_id, annotator
    from trusted
),

drawn as (
    select
        campaign,
        vendor,
        responses,
        task_id,
        annotator,
        row_number() over (partition by campaign, vendor, responses order by task_id, annotator) as slot,
        row_number() over (
            partition by campaign, vendor, responses
            order by sha256(concat_ws('|', $seed::varchar, task_id, annotator)), task_id, annotator
        ) as draw
    from task_annotations
),

permuted as (
    select
        slots.task_id,
        slots.annotator,
        donors.task_id as donor_task_id,
        donors.annotator as donor
    from drawn as slots
    join drawn as donors
        on
            slots.campaign = donors.campaign
            and slots.vendor = donors.vendor
            and slots.responses = donors.responses
            and slots.slot = donors.draw
)

select
    trusted.task_id,
    trusted.response_id,
    trusted.position,
    trusted.annotator,
    given.scores,
    trusted.stage
from permuted
join trusted on permuted.task_id = trusted.task_id and permuted.annotator = trusted.annotator
join trusted as given
    on
        permuted.donor_task_id = given.task_id
        and permuted.donor = given.annotator
        and trusted.place = given.place
union all
select task_id, response_id, position, annotator, scores, stage
from retained_annotations
where stage in ('validity', 'trust')
order by task_id, response_id, annotator
