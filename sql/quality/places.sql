-- Where each attribute of each response stands in a ballot, and the bits that concern its distances: of the field, those
-- above the lowest, which only says that there is a score; `wide` has those bits that are set together with the
-- bit `max_range` places above them only if scores are further apart than `max_range`.
-- inputs: rubric, ballot_layout
-- parameters: max_range
-- grain: response, position
-- output: response, attribute, position, decides, word, shift, present, distance, wide
with numbered as (
    select
        rubric.attribute,
        rubric.position,
        rubric.decides,
        ballot_layout.levels,
        ballot_layout.fields,
        340282366920938463463374607431768211455::uhugeint >> (128 - ballot_layout.levels)::uhugeint as field,
        unnest(range(ballot_layout.responses)) as before,
        before * ballot_layout.attributes + rubric.position - 1 as number
    from rubric
    cross join ballot_layout
)

select
    (before + 1)::integer as response,
    attribute,
    position::integer as position,
    decides,
    (number // fields)::integer as word,
    (levels * (number % fields))::uhugeint as shift,
    1::uhugeint << shift as present,
    xor(field, 1::uhugeint) << shift as distance,
    if(
        $max_range < levels,
        (field >> least($max_range, 127)::uhugeint) & xor(field, 1::uhugeint),
        0::uhugeint
    ) << shift as wide
from numbered
