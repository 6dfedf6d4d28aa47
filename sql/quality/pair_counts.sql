-- How often two annotators of a response gave `first` and `second` (first <= second, as steps above the lowest level), by
-- the number of raters of the response, of those who pass a step. Where a response has one rater alone, the row
-- with raters = 1 counts the score itself. All of it are whole numbers that add up over tasks.
-- inputs: votes, crowds, places, masks, ballot_layout
-- parameters: step
-- grain: bucket, position, raters, first, second
-- output: bucket, position, raters, first, second, count
with levels as (
    select unnest(range(levels))::integer as level
    from ballot_layout
),

tallies as (
    select votes.bucket, votes.position, votes.votes, sum(votes.responses)::bigint as responses, min(levels) as scale
    from votes
    cross join ballot_layout
    where votes.last >= $step
    group by votes.bucket, votes.position, votes.votes
),

-- How many gave a level or more, from its three binary digits; less those who gave the next or more, who gave just this.
apart as (
    select
        bucket,
        position,
        votes,
        responses,
        scale,
        level,
        ((votes & 1) + 2 * ((votes >> scale::ubigint) & 1) + 4 * ((votes >> (2 * scale)::ubigint) & 1))::bigint as raters,
        (
            (
                ((votes >> (level)::ubigint) & 1)
                + 2 * ((votes >> (scale + level)::ubigint) & 1)
                + 4 * ((votes >> (2 * scale + level)::ubigint) & 1)
            )
            - if(level + 1 < scale, (
                ((votes >> (level + 1)::ubigint) & 1)
                + 2 * ((votes >> (scale + level + 1)::ubigint) & 1)
                + 4 * ((votes >> (2 * scale + level + 1)::ubigint) & 1)
            ), 0)
        )::bigint as given
    from tallies
    cross join levels
),

opposite as (
    select
        apart.bucket,
        apart.position,
        apart.raters,
        apart.responses,
        apart.level as first,
        levels.level as second,
        apart.given,
        (
            (
                ((votes >> (levels.level)::ubigint) & 1)
                + 2 * ((votes >> (scale + levels.level)::ubigint) & 1)
                + 4 * ((votes >> (2 * scale + levels.level)::ubigint) & 1)
            )
            - if(levels.level + 1 < scale, (
                ((votes >> (levels.level + 1)::ubigint) & 1)
                + 2 * ((votes >> (scale + levels.level + 1)::ubigint) & 1)
                + 4 * ((votes >> (2 * scale + levels.level + 1)::ubigint) & 1)
            ), 0)
        )::bigint as given_second
    from apart
    join levels on levels.level >= apart.level
    where apart.given > 0
),

abreast_pairs as (
    select
        bucket,
        position,
        raters,
        first,
        second,
        sum(
            responses * case
                when raters = 1 then 1
                when first = second then given * (given - 1) // 2
                else given * given_second
            end
        )::bigint as count
    from opposite
    where given_second > 0
    group by bucket, position, raters, first, second
),

crowd_votes as (
    select
        crowds.task_id,
        crowds.bucket,
        places.response,
        places.position,
        bit_count((((crowds.ballot >> places.shift) & masks.field) >> 1::uhugeint)::hugeint)::integer as level,
        count(*) as given
    from crowds
    join places using (word)
    join masks using (word)
    where crowds.step >= $step and ((crowds.ballot >> places.shift) & 1) = 1
    group by crowds.task_id, crowds.bucket, places.response, places.position, level
),

crowd_units as (
    select *, (sum(given) over (partition by task_id, response, position))::bigint as raters
    from crowd_votes
),

crowd_pairs as (
    select
        one.bucket,
        one.position,
        one.raters,
        one.level as first,
        other.level as second,
        sum(
            case
                when one.raters = 1 then 1
                when one.level = other.level then one.given * (one.given - 1) // 2
                else one.given * other.given
            end
        ) as count
    from crowd_units as one
    join crowd_units as other
        on
            one.task_id = other.task_id
            and one.response = other.response
            and one.position = other.position
            and one.level <= other.level
    group by one.bucket, one.position, one.raters, one.level, other.level
)

select bucket, position, raters::integer as raters, first, second, sum(count)::bigint as count
from (
    from abreast_pairs
    union all
    from crowd_pairs
)
where count > 0
group by bucket, position, raters, first, second
