-- Steps 4 and 5 of the agreement policy for panels: the three of each task with the least sum of pairwise distances on
-- the deciding attributes; ties by the sum over all attributes, then by the sorted ids, which is the order
-- of the sets here. A difference counts where both gave a score. `disputed` says that the three differ by more
-- than `max_range` in a deciding attribute. A distance is one whole number: that which decides, from bit 32 on, that
-- over all attributes, from bit 8 on, and in a set's sum its place; sets with an annotator who is not there are null.
-- inputs: panels, masks
-- parameters: break_ties
-- grain: task_id
-- output: task_id, first, second, third, disputed
with differing as (
    select
        panels.task_id,
        panels.word,
        masks.deciding::ubigint as deciding,
        xor(ballot_1, ballot_2)
            & ((ballot_1 & ballot_2 & masks.present::ubigint) * masks.field::ubigint)
            & masks.distance::ubigint as bits_12,
        xor(ballot_1, ballot_3)
            & ((ballot_1 & ballot_3 & masks.present::ubigint) * masks.field::ubigint)
            & masks.distance::ubigint as bits_13,
        xor(ballot_1, ballot_4)
            & ((ballot_1 & ballot_4 & masks.present::ubigint) * masks.field::ubigint)
            & masks.distance::ubigint as bits_14,
        xor(ballot_1, ballot_5)
            & ((ballot_1 & ballot_5 & masks.present::ubigint) * masks.field::ubigint)
            & masks.distance::ubigint as bits_15,
        xor(ballot_2, ballot_3)
            & ((ballot_2 & ballot_3 & masks.present::ubigint) * masks.field::ubigint)
            & masks.distance::ubigint as bits_23,
        xor(ballot_2, ballot_4)
            & ((ballot_2 & ballot_4 & masks.present::ubigint) * masks.field::ubigint)
            & masks.distance::ubigint as bits_24,
        xor(ballot_2, ballot_5)
            & ((ballot_2 & ballot_5 & masks.present::ubigint) * masks.field::ubigint)
            & masks.distance::ubigint as bits_25,
        xor(ballot_3, ballot_4)
            & ((ballot_3 & ballot_4 & masks.present::ubigint) * masks.field::ubigint)
            & masks.distance::ubigint as bits_34,
        xor(ballot_3, ballot_5)
            & ((ballot_3 & ballot_5 & masks.present::ubigint) * masks.field::ubigint)
            & masks.distance::ubigint as bits_35,
        xor(ballot_4, ballot_5)
            & ((ballot_4 & ballot_5 & masks.present::ubigint) * masks.field::ubigint)
            & masks.distance::ubigint as bits_45
    from panels
    join masks using (word)
    where ballot_1 is null or ballot_2 is null or ballot_3 is null or ballot_4 is not null or ballot_5 is not null
),

distances as (
    -- Of a word's bits the lowest never is one of a distance, so a signed number can be counted; doubles add faster, and
    -- hold whole numbers of this size.
    select
        task_id,
        sum((
            (bit_count(((bits_12 & deciding) >> 1::ubigint)::bigint)::bigint << 32)
            + (bit_count((bits_12 >> 1::ubigint)::bigint)::bigint << 8) * $break_ties::bigint
        )::double)::bigint as apart_12,
        sum((
            (bit_count(((bits_13 & deciding) >> 1::ubigint)::bigint)::bigint << 32)
            + (bit_count((bits_13 >> 1::ubigint)::bigint)::bigint << 8) * $break_ties::bigint
        )::double)::bigint as apart_13,
        sum((
            (bit_count(((bits_14 & deciding) >> 1::ubigint)::bigint)::bigint << 32)
            + (bit_count((bits_14 >> 1::ubigint)::bigint)::bigint << 8) * $break_ties::bigint
        )::double)::bigint as apart_14,
        sum((
            (bit_count(((bits_15 & deciding) >> 1::ubigint)::bigint)::bigint << 32)
            + (bit_count((bits_15 >> 1::ubigint)::bigint)::bigint << 8) * $break_ties::bigint
        )::double)::bigint as apart_15,
        sum((
            (bit_count(((bits_23 & deciding) >> 1::ubigint)::bigint)::bigint << 32)
            + (bit_count((bits_23 >> 1::ubigint)::bigint)::bigint << 8) * $break_ties::bigint
        )::double)::bigint as apart_23,
        sum((
            (bit_count(((bits_24 & deciding) >> 1::ubigint)::bigint)::bigint << 32)
            + (bit_count((bits_24 >> 1::ubigint)::bigint)::bigint << 8) * $break_ties::bigint
        )::double)::bigint as apart_24,
        sum((
            (bit_count(((bits_25 & deciding) >> 1::ubigint)::bigint)::bigint << 32)
            + (bit_count((bits_25 >> 1::ubigint)::bigint)::bigint << 8) * $break_ties::bigint
        )::double)::bigint as apart_25,
        sum((
            (bit_count(((bits_34 & deciding) >> 1::ubigint)::bigint)::bigint << 32)
            + (bit_count((bits_34 >> 1::ubigint)::bigint)::bigint << 8) * $break_ties::bigint
        )::double)::bigint as apart_34,
        sum((
            (bit_count(((bits_35 & deciding) >> 1::ubigint)::bigint)::bigint << 32)
            + (bit_count((bits_35 >> 1::ubigint)::bigint)::bigint << 8) * $break_ties::bigint
        )::double)::bigint as apart_35,
        sum((
            (bit_count(((bits_45 & deciding) >> 1::ubigint)::bigint)::bigint << 32)
            + (bit_count((bits_45 >> 1::ubigint)::bigint)::bigint << 8) * $break_ties::bigint
        )::double)::bigint as apart_45
    from differing
    group by task_id
),

best as (
    select
        task_id,
        least(
            apart_12 + apart_13 + apart_23 + 1,
            apart_12 + apart_14 + apart_24 + 2,
            apart_12 + apart_15 + apart_25 + 3,
            apart_13 + apart_14 + apart_34 + 4,
            apart_13 + apart_15 + apart_35 + 5,
            apart_14 + apart_15 + apart_45 + 6,
            apart_23 + apart_24 + apart_34 + 7,
            apart_23 + apart_25 + apart_35 + 8,
            apart_24 + apart_25 + apart_45 + 9,
            apart_34 + apart_35 + apart_45 + 10
        ) & 255 as place
    from distances
    union all
    -- Of three there is no choice.
    select task_id, 1
    from panels
    where
        word = 0
        and ballot_1 is not null
        and ballot_2 is not null
        and ballot_3 is not null
        and ballot_4 is null
        and ballot_5 is null
),

chosen as (
    select
        best.task_id,
        [1, 1, 1, 1, 1, 1, 2, 2, 2, 3][place] as first,
        [2, 2, 2, 3, 3, 4, 3, 3, 4, 4][place] as second,
        [3, 4, 5, 4, 5, 5, 4, 5, 5, 5][place] as third
    from best
),

extremes as (
    select
        chosen.task_id,
        chosen.first,
        chosen.second,
        chosen.third,
        panels.word,
        case chosen.first
            when 1 then panels.ballot_1
            when 2 then panels.ballot_2
            else panels.ballot_3
        end as one,
        case chosen.second
            when 2 then panels.ballot_2
            when 3 then panels.ballot_3
            else panels.ballot_4
        end as two,
        case chosen.third
            when 3 then panels.ballot_3
            when 4 then panels.ballot_4
            else panels.ballot_5
        end as three
    from chosen
    join panels using (task_id)
),

ranges as (
    select
        extremes.task_id,
        extremes.first,
        extremes.second,
        extremes.third,
        masks.wide::ubigint as wide,
        masks.max_range::ubigint as max_range,
        xor(one | two | three, one & two & three) as bits
    from extremes
    join masks using (word)
)

select
    task_id,
    first,
    second,
    third,
    bool_or((bits & (bits >> max_range) & wide) <> 0) as disputed
from ranges
group by task_id, first, second, third
