-- What became of each delivered row. Among the rows of one unit (task, response, annotator) the
-- latest wins, by the vendor's time and then its revision; rows that say the same count once; the
-- latest rows that differ and cannot be ordered are quarantined together. Rows of a file whose
-- intake was cut short are left out: the file is still in the inbox and will be taken in anew.
-- What is said of a control task is used to judge annotators, and nowhere else. Of a row that a legal request took out
-- nothing is left but that it came.
-- inputs: deliveries, quarantine, intake, control_tasks
-- grain: delivery_id, row_number
-- output: campaign, delivery_id, row_number, fate, rule
with copies as (
    select
        *,
        row_number() over (
            partition by
                task_id, response_id, annotator, submitted_at, revision, scores, flags, preference,
                justification, withdrawn, round, guideline_version, seconds, simulated
            order by delivery_id, row_number
        ) as copy
    from deliveries
    semi join intake using (delivery_id)
),

ranked as (
    select
        *,
        rank() over (
            partition by task_id, response_id, annotator order by submitted_at desc, revision desc
        ) = 1 as is_latest,
        count(*) filter (copy = 1) over (
            partition by task_id, response_id, annotator, submitted_at, revision
        ) as versions
    from copies
)

select
    campaign,
    delivery_id,
    row_number,
    case
        when copy > 1 then 'duplicate'
        when not is_latest then 'superseded'
        when versions > 1 then 'quarantined'
        when withdrawn then 'withdrawn'
        when controls.kind is not null then 'control'
        else 'used'
    end as fate,
    case
        when copy > 1 then 'said_before'
        when not is_latest then 'later_row'
        when versions > 1 then 'unordered'
        when withdrawn then 'taken_back'
        else controls.kind
    end as rule
from ranked
left join (select distinct task_id, kind from control_tasks) as controls using (task_id)
union all
select
    campaign,
    delivery_id,
    row_number,
    if(rule = 'withdrawn', 'withdrawn', 'quarantined') as fate,
    rule
from quarantine
semi join intake using (delivery_id)
order by delivery_id, row_number
