-- How many responses got the same votes in an attribute, whoever gave them, of those who pass a step. Votes are a number of
-- three bits for each level of the scale. A field of n bits set is a number whose successor, halved and cubed,
-- has just the lowest bit of the three that count level n.
-- inputs: abreast, places, masks
-- parameters: step
-- grain: bucket, position, votes
-- output: bucket, position, raters, votes, responses
with fields as (
    select
        abreast.bucket,
        places.position,
        coalesce(if(step_1 >= $step, (((ballot_1 >> shift) & field)::ubigint + 1) >> 1::ubigint, 0::ubigint), 0::ubigint) as one,
        coalesce(if(step_2 >= $step, (((ballot_2 >> shift) & field)::ubigint + 1) >> 1::ubigint, 0::ubigint), 0::ubigint) as two,
        coalesce(if(step_3 >= $step, (((ballot_3 >> shift) & field)::ubigint + 1) >> 1::ubigint, 0::ubigint), 0::ubigint) as three,
        coalesce(if(step_4 >= $step, (((ballot_4 >> shift) & field)::ubigint + 1) >> 1::ubigint, 0::ubigint), 0::ubigint) as four,
        coalesce(if(step_5 >= $step, (((ballot_5 >> shift) & field)::ubigint + 1) >> 1::ubigint, 0::ubigint), 0::ubigint) as five
    from abreast
    join places using (word)
    join masks using (word)
),

counted as (
    select
        bucket,
        position,
        one * one * one + two * two * two + three * three * three + four * four * four + five * five * five as votes,
        (one > 0)::utinyint + (two > 0)::utinyint + (three > 0)::utinyint + (four > 0)::utinyint + (five > 0)::utinyint
            as raters
    from fields
)

select bucket, position, raters::utinyint as raters, votes, count(*) as responses
from counted
where raters > 0
group by bucket, position, raters, votes
