-- How many responses got the same votes in an attribute, whoever gave them, of those who pass a step. How many gave a
-- level or more is how often its bit is set; the fields of all ballots of a task are added at once, bit by bit, by adders:
-- `ones`, `twos` and `fours` are the binary digits of each bit's sum. `votes` are the three digits' fields, side
-- by side. `last` is the last step that those who pass pass together: they do so from step 3 on.
-- inputs: abreast, places, masks, ballot_layout
-- parameters: step
-- grain: last, bucket, position, votes
-- output: last, bucket, position, votes, responses
with passing as (
    select
        word,
        bucket,
        if(
            $step >= 3 and 4 not in (
                coalesce(step_1, 0), coalesce(step_2, 0), coalesce(step_3, 0), coalesce(step_4, 0), coalesce(step_5, 0)
            ),
            3,
            4
        ) as last,
        if(step_1 >= $step and ballot_1 is not null, ballot_1, 0::ubigint) as one,
        if(step_2 >= $step and ballot_2 is not null, ballot_2, 0::ubigint) as two,
        if(step_3 >= $step and ballot_3 is not null, ballot_3, 0::ubigint) as three,
        if(step_4 >= $step and ballot_4 is not null, ballot_4, 0::ubigint) as four,
        if(step_5 >= $step and ballot_5 is not null, ballot_5, 0::ubigint) as five
    from abreast
),

three_added as (
    select
        *,
        xor(xor(one, two), three) as sum,
        (one & two) | (three & xor(one, two)) as carried
    from passing
),

five_added as (
    select
        *,
        xor(xor(sum, four), five) as ones,
        (sum & four) | (five & xor(sum, four)) as carried_again
    from three_added
),

added as (
    select
        word,
        bucket::integer * 2 + last - 3 as cell,
        ones,
        xor(carried, carried_again) as twos,
        carried & carried_again as fours
    from five_added
),

shifts as (
    select
        places.word,
        places.position,
        places.shift::ubigint as shift,
        masks.field::ubigint as field,
        ballot_layout.levels::ubigint as levels
    from places
    join masks using (word)
    cross join ballot_layout
    where ballot_layout.levels <= 21
),

fields as (
    select
        added.cell * 1024 + shifts.position as cell,
        ((added.ones >> shifts.shift) & shifts.field)
        | (((added.twos >> shifts.shift) & shifts.field) << shifts.levels)
        | (((added.fours >> shifts.shift) & shifts.field) << (2 * shifts.levels)) as votes
    from added
    join shifts using (word)
),

tallies as (
    select cell, votes, count(*) as responses
    from fields
    where votes > 0
    group by cell, votes
)

select
    (3 + cell // 1024 % 2)::integer as last,
    (cell // 2048)::integer as bucket,
    (cell % 1024)::integer as position,
    votes,
    responses
from tallies
