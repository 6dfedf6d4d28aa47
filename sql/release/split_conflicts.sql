-- Prompts, and clusters of near-duplicates, that releases have on both sides of the split.
-- inputs: release_splits, prompt_clusters_known
-- grain: kind, id
-- output: kind, id, train, validation
with clustered as (
    select
        release_splits.version,
        release_splits.split,
        release_splits.published,
        release_splits.prompt_id,
        coalesce(prompt_clusters_known.cluster, release_splits.prompt_id) as cluster
    from release_splits
    left join prompt_clusters_known using (prompt_id)
),

sides as (
    select 'prompt' as kind, prompt_id as id, split, min(version) as version
    from clustered
    where published
    group by prompt_id, split
    union all
    select 'cluster' as kind, cluster as id, split, min(version) as version
    from clustered
    where published
    group by cluster, split
)

select
    kind,
    id,
    max(version) filter (where split = 'train') as train,
    max(version) filter (where split = 'validation') as validation
from sides
group by kind, id
having count(distinct split) > 1
order by kind desc, id
