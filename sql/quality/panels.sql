-- The seats of each task of up to five annotators side by side, each in its annotator's place, so that all sets of three are weighed without a join.
-- There are none unless three are to be kept, and none of a
-- scale that takes words of 128 bits.
-- inputs: seats, ballot_layout
-- parameters: closest
-- grain: task_id, word
-- output: task_id, word, ballot_1, ballot_2, ballot_3, ballot_4, ballot_5
select
    task_id,
    word,
    max(try_cast(ballot as ubigint)) filter (where rank = 1) as ballot_1,
    max(try_cast(ballot as ubigint)) filter (where rank = 2) as ballot_2,
    max(try_cast(ballot as ubigint)) filter (where rank = 3) as ballot_3,
    max(try_cast(ballot as ubigint)) filter (where rank = 4) as ballot_4,
    max(try_cast(ballot as ubigint)) filter (where rank = 5) as ballot_5
from seats
where annotators <= 5 and $closest = 3 and (select levels from ballot_layout) <= 64
group by task_id, word
