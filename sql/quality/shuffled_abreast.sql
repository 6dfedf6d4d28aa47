-- `abreast`, of shuffled ballots, with the steps that they pass when the policy's steps 4 and 5 run on them.
-- inputs: dealt_abreast, panel_closest, chosen
-- grain: task_id, word
-- output: task_id, word, bucket, ballot_1, ballot_2, ballot_3, ballot_4, ballot_5, step_1, step_2, step_3, step_4, step_5
with others as (
    select
        task_id,
        list(if(stage = 'closest', 2, if(stage = 'dispute', 3, 4)) order by annotator) as steps
    from chosen
    group by task_id
),

members as (
    select
        dealt_abreast.*,
        panel_closest.first,
        panel_closest.second,
        panel_closest.third,
        if(panel_closest.disputed, 3, 4) as member,
        others.steps
    from dealt_abreast
    left join panel_closest using (task_id)
    left join others using (task_id)
)

select
    task_id,
    word,
    bucket,
    ballot_1,
    ballot_2,
    ballot_3,
    ballot_4,
    ballot_5,
    coalesce(steps[1], if(first = 1, member, 2)) as step_1,
    coalesce(steps[2], if(2 in (first, second), member, 2)) as step_2,
    coalesce(steps[3], if(3 in (first, second, third), member, 2)) as step_3,
    coalesce(steps[4], if(4 in (second, third), member, 2)) as step_4,
    coalesce(steps[5], if(third = 5, member, 2)) as step_5
from members
