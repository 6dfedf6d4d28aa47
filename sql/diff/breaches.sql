-- The rows of one table that a later release lacks, has in another split, or has with another value in a column that
-- both have; and whether it has any that are new.
-- inputs: older_keyed, newer_keyed
-- grain: task_id, response_id, annotator
-- output: task_id, response_id, annotator, breach
select
    coalesce(older_keyed.task_id, newer_keyed.task_id) as task_id,
    coalesce(older_keyed.response_id, newer_keyed.response_id) as response_id,
    coalesce(older_keyed.annotator, newer_keyed.annotator) as annotator,
    case
        when newer_keyed.task_id is null then 'removed'
        when older_keyed.task_id is null then 'added'
        when older_keyed.split <> newer_keyed.split then 'moved'
        else 'changed'
    end as breach
from older_keyed
full join newer_keyed
    on older_keyed.task_id = newer_keyed.task_id
    and older_keyed.response_id = newer_keyed.response_id
    and older_keyed.annotator = newer_keyed.annotator
where
    older_keyed.task_id is null
    or newer_keyed.task_id is null
    or older_keyed.split <> newer_keyed.split
    or older_keyed.fingerprint <> newer_keyed.fingerprint
