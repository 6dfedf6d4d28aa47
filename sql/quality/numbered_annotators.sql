-- The annotators who have rated anything, numbered in the order of their ids; `key` is a hash of the id.
-- inputs: annotations
-- grain: annotator_id
-- output: annotator_id, annotator, key
select
    annotator as annotator_id,
    (row_number() over (order by annotator) - 1)::integer as annotator,
    md5_number_lower(annotator) as key
from (select distinct annotator from annotations)
