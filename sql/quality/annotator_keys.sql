-- A hash of each annotator's id, by its number.
-- inputs: numbered_annotators
-- grain: annotator
-- output: annotator, key
select annotator, key
from numbered_annotators
order by annotator
