-- The annotators who have rated anything, numbered in the order of their ids; `key` is a hash of the id, as of tasks, `vendor` the
-- number of their vendor.
-- inputs: annotations
-- grain: annotator_id
-- output: annotator_id, annotator, key, vendor
select
    annotator as annotator_id,
    (row_number() over (order by annotator) - 1)::integer as annotator,
    (md5_number(annotator) >> 64)::ubigint as key,
    (dense_rank() over (order by vendor) - 1)::integer as vendor
from (select annotator, min(vendor) as vendor from annotations group by annotator)
