-- `crowds`, of shuffled ballots, with the steps that they pass when the policy's steps 4 and 5 run on them.
-- inputs: dealt, chosen
-- parameters: most_abreast
-- grain: task_id, annotator, word
-- output: task_id, annotator, word, ballot, responses, step, bucket
select
    dealt.task_id,
    dealt.rank as annotator,
    dealt.word,
    dealt.ballot,
    dealt.responses,
    case chosen.stage when 'dispute' then 3 when 'kept' then 4 else 2 end as step,
    dealt.bucket
from dealt
left join chosen on dealt.task_id = chosen.task_id and dealt.rank = chosen.annotator
where dealt.annotators > $most_abreast
