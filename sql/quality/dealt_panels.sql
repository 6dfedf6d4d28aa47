-- The shuffled panels: `panels`, of the ballots that were dealt.
-- inputs: dealt_abreast
-- parameters: closest
-- grain: task_id, word
-- output: task_id, word, ballot_1, ballot_2, ballot_3, ballot_4, ballot_5
select task_id, word, ballot_1, ballot_2, ballot_3, ballot_4, ballot_5
from dealt_abreast
where contends and $closest = 3
