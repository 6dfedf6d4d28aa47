-- The attributes by their position in lists of scores.
-- inputs: rubric
-- grain: position
-- output: position, attribute
select position, attribute
from rubric
