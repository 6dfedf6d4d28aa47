-- The bits of each word of a ballot that say that there is a score, that a distance counts, that it counts for the
-- deciding attributes, and that those differ by more than `max_range`; `field` is one field, at the lowest place.
-- inputs: places
-- parameters: max_range
-- grain: word
-- output: word, present, distance, deciding, wide, field, max_range
select
    word,
    bit_or(present) as present,
    bit_or(distance) as distance,
    bit_or(if(decides, distance, 0::uhugeint)) as deciding,
    bit_or(if(decides, wide, 0::uhugeint)) as wide,
    max((distance >> shift) | 1::uhugeint) as field,
    least(coalesce($max_range, 0), 127)::uhugeint as max_range
from places
group by word
