-- The seats of each task of up to five annotators side by side, so that all sets of three are weighed without a join.
-- There are none unless three are to be kept.
-- inputs: seats
-- parameters: closest
-- grain: task_id, word
-- output: task_id, word, ballot_1, ballot_2, ballot_3, ballot_4, ballot_5
select
    task_id,
    word,
    max(ballot) filter (where rank = 1) as ballot_1,
    max(ballot) filter (where rank = 2) as ballot_2,
    max(ballot) filter (where rank = 3) as ballot_3,
    max(ballot) filter (where rank = 4) as ballot_4,
    max(ballot) filter (where rank = 5) as ballot_5
from seats
where annotators between 3 and 5 and $closest = 3
group by task_id, word
