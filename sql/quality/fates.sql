-- What becomes of each annotation over all steps of the policy: the stage that it reaches and the reason why it leaves.
-- Those outside the closest leave; the closest leave together if their task is disputed.
-- inputs: numbered_ratings, judged, coverage, chosen
-- parameters: closed
-- grain: task, annotator, position
-- output: task, annotator, position, stage, reason
with left_early as (
    select task, annotator, stage, reason
    from judged
    where stage is not null
)

select
    numbered_ratings.task,
    numbered_ratings.annotator,
    numbered_ratings.position,
    case
        when left_early.stage is not null then left_early.stage
        when chosen.step is null then 'coverage'
        when chosen.step = 2 then 'closest'
        when chosen.step = 3 then 'dispute'
        else 'kept'
    end as stage,
    case
        when left_early.stage is not null then left_early.reason
        when chosen.step is null then if(coverage.needed > 0 and not $closed, 'awaiting_top_up', 'too_few')
        when chosen.step = 2 then 'not_closest'
        when chosen.step = 3 then 'disputed'
    end as reason
from numbered_ratings
left join left_early using (task, annotator)
left join coverage using (task)
left join chosen using (task, annotator, position)
