-- What becomes of each annotation over all steps of the policy: the stage that it reaches and the reason why it leaves.
-- Those outside the closest leave; the closest leave together if their task is disputed.
-- inputs: passed
-- grain: task, annotator, position
-- output: task, annotator, position, stage, reason
select
    task,
    annotator,
    position,
    case
        when stage is not null then stage
        when step = 2 then 'closest'
        when step = 3 then 'dispute'
        else 'kept'
    end as stage,
    case
        when stage is not null then reason
        when step = 2 then 'not_closest'
        when step = 3 then 'disputed'
    end as reason
from passed
