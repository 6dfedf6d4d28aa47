-- Step 4 of the agreement policy: the `closest` annotators of each task with the least sum of pairwise
-- distances on the deciding attributes; ties by the sum over all attributes, then by the sorted ids.
-- Every set of that size is weighed, by joins: sets are made once for each number of annotators, as ranks.
-- Where a task has more than `pool` annotators, only the `pool` nearest to its medoid (the annotator nearest
-- to all others) are weighed, since the sets of a crowd of hundreds cannot be counted out.
-- inputs: distances
-- parameters: closest, pool
-- grain: task_id, annotator
-- output: task_id, annotator
with recursive both_ways as (
    select task_id, first as annotator, second as other, deciding, total
    from distances
    union all
    select task_id, second, first, deciding, total
    from distances
    where first <> second
),

medoids as (
    select task_id, annotator as medoid
    from (
        select task_id, annotator, sum(deciding) as deciding, sum(total) as total
        from both_ways
        group by task_id, annotator
    )
    qualify row_number() over (partition by task_id order by deciding, total, annotator) = 1
),

nearest as (
    select medoids.task_id, both_ways.other as annotator
    from medoids
    join both_ways on medoids.task_id = both_ways.task_id and medoids.medoid = both_ways.annotator
    qualify
        row_number() over (
            partition by medoids.task_id
            order by both_ways.deciding, both_ways.total, both_ways.other <> medoids.medoid, both_ways.other
        ) <= $pool
),

ranked as (
    select
        task_id,
        annotator,
        row_number() over (partition by task_id order by annotator) as rank,
        count(*) over (partition by task_id) as annotators
    from nearest
),

sizes as (
    select distinct annotators
    from ranked
),

grown as (
    select annotators, []::bigint[] as ranks, 0::bigint as last
    from sizes
    union all
    select grown.annotators, list_append(grown.ranks, next.rank), next.rank
    from grown
    join (select generate_series as rank from generate_series(1, $pool)) as next
        on
            next.rank > grown.last
            and next.rank <= grown.annotators - $closest + len(grown.ranks) + 1
    where len(grown.ranks) < $closest
),

sets as (
    select annotators, ranks, row_number() over (partition by annotators order by ranks) as set_number
    from grown
    where len(ranks) = $closest
),

set_members as (
    select annotators, set_number, unnest(ranks) as rank
    from sets
),

set_pairs as (
    select one.annotators, one.set_number, one.rank as first_rank, other.rank as second_rank
    from set_members as one
    join set_members as other
        on
            one.annotators = other.annotators
            and one.set_number = other.set_number
            and one.rank <= other.rank
),

ranked_distances as (
    select
        distances.task_id,
        one.annotators,
        one.rank as first_rank,
        other.rank as second_rank,
        distances.deciding,
        distances.total
    from distances
    join ranked as one on distances.task_id = one.task_id and distances.first = one.annotator
    join ranked as other on distances.task_id = other.task_id and distances.second = other.annotator
),

sums as (
    select
        ranked_distances.task_id,
        ranked_distances.annotators,
        set_pairs.set_number,
        sum(ranked_distances.deciding) as deciding,
        sum(ranked_distances.total) as total
    from ranked_distances
    join set_pairs using (annotators, first_rank, second_rank)
    group by ranked_distances.task_id, ranked_distances.annotators, set_pairs.set_number
),

best as (
    select task_id, annotators, arg_min(set_number, (deciding, total, set_number)) as set_number
    from sums
    group by task_id, annotators
)

select ranked.task_id, ranked.annotator
from best
join set_members using (annotators, set_number)
join ranked
    on
        best.task_id = ranked.task_id
        and set_members.rank = ranked.rank
order by ranked.task_id, ranked.annotator
