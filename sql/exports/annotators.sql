-- Released responses with the ratings of each trusted annotator alone, those that the filter left as not closest too.
-- inputs: rated_rows, annotations_given
-- grain: task_id, response_id, annotator
-- output: messages, response, annotator, scores, retained, task_id, response_id
select
    rated_rows.messages,
    rated_rows.response,
    annotations_given.annotator,
    annotations_given.scores,
    annotations_given.stage = 'kept' as retained,
    rated_rows.task_id,
    rated_rows.response_id
from rated_rows
join annotations_given using (task_id, response_id)
where annotations_given.stage in ('closest', 'kept')
order by rated_rows.place, annotations_given.annotator
