-- Who rated: annotators and annotations of each campaign's vendors, and how many were kept.
-- inputs: single_annotations
-- grain: campaign, vendor
-- output: campaign, vendor, guideline_versions, annotators, annotations, kept
select
    campaign,
    vendor,
    string_agg(distinct guideline_version, ', ' order by guideline_version) as guideline_versions,
    count(distinct annotator) as annotators,
    count(*) as annotations,
    count(*) filter (where stage = 'kept') as kept
from single_annotations
group by campaign, vendor
order by campaign, vendor
