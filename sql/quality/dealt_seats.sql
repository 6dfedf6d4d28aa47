-- The shuffled seats of contending tasks that are no panels, in the shape of `seats`.
-- inputs: dealt, panels
-- grain: task_id, annotator, word
-- output: task_id, annotator, word, ballot, rank, annotators
select dealt.task_id, dealt.rank as annotator, dealt.word, dealt.ballot, dealt.rank, dealt.annotators
from dealt
anti join panels using (task_id)
where dealt.contends
