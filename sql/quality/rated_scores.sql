-- The scores of all annotations, by the numbers of tasks and annotators.
-- inputs: numbered_ratings
-- grain: task, annotator, position
-- output: task, annotator, position, scores
select task, annotator, position, scores
from numbered_ratings
