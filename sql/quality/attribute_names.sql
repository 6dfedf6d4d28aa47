-- The attributes in the rubric's order, which of them decide, and the ends of their scale.
-- inputs: rubric
-- grain: position
-- output: position, attribute, decides, lowest, highest
select position, attribute, decides, lowest, highest
from rubric
order by position
