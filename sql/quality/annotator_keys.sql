-- A hash of each annotator's id, and the number of the vendor, by the annotator's number.
-- inputs: numbered_annotators
-- grain: annotator
-- output: annotator, key, vendor
select annotator, key, vendor
from numbered_annotators
order by annotator
