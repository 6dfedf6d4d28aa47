-- Each delivered file's account, and all of them together: the annotations that came, by what became of them. Nothing is
-- left over where every one of them met exactly one fate.
-- inputs: intake, annotation_fates
-- parameters: campaign
-- grain: delivery_id
-- output: campaign, delivery_id, file, delivered, used, control, superseded, duplicate, withdrawn, quarantined, unaccounted
with met as (
    select
        delivery_id,
        count(*) filter (fate = 'used') as used,
        count(*) filter (fate = 'control') as control,
        count(*) filter (fate = 'superseded') as superseded,
        count(*) filter (fate = 'duplicate') as duplicate,
        count(*) filter (fate = 'withdrawn') as withdrawn,
        count(*) filter (fate = 'quarantined') as quarantined
    from annotation_fates
    group by delivery_id
),

files as (
    select
        coalesce(intake.delivery_id, met.delivery_id) as delivery_id,
        intake.file,
        coalesce(intake.rows, 0) as delivered,
        coalesce(used, 0) as used,
        coalesce(control, 0) as control,
        coalesce(superseded, 0) as superseded,
        coalesce(duplicate, 0) as duplicate,
        coalesce(withdrawn, 0) as withdrawn,
        coalesce(met.quarantined, 0) as quarantined
    from intake
    full join met on intake.delivery_id = met.delivery_id
),

together as (
    from files
    union all
    select
        'total' as delivery_id,
        null as file,
        coalesce(sum(delivered), 0)::bigint as delivered,
        coalesce(sum(used), 0)::bigint as used,
        coalesce(sum(control), 0)::bigint as control,
        coalesce(sum(superseded), 0)::bigint as superseded,
        coalesce(sum(duplicate), 0)::bigint as duplicate,
        coalesce(sum(withdrawn), 0)::bigint as withdrawn,
        coalesce(sum(quarantined), 0)::bigint as quarantined
    from files
)

select
    $campaign as campaign,
    *,
    delivered - used - control - superseded - duplicate - withdrawn - quarantined as unaccounted
from together
order by delivery_id
