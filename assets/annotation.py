"""Annotation: tasks out to vendors, deliveries in, merged, topped up."""

import dagster as dg

from assets.prompts import selected_prompts
from assets.responses import responses
from dagster_project import vendors
from dagster_project.automation import CHEAP
from dagster_project.metadata import made
from dagster_project.resources import LakeResource, SettingsResource

GROUP = "annotation"
EVERY = dg.AllPartitionMapping()


@dg.asset(
    group_name=GROUP,
    kinds={"duckdb", "parquet"},
    deps=[dg.AssetDep(responses, partition_mapping=EVERY), dg.AssetDep(selected_prompts, partition_mapping=EVERY)],
)
def annotation_tasks(
    context: dg.AssetExecutionContext, lake: LakeResource, settings: SettingsResource
) -> dg.MaterializeResult:
    """Which responses are compared: seeded pairs of different models, frozen once exported to the outbox."""
    campaign = context.partition_key
    report = vendors.freeze_tasks(lake.lake, settings.settings, campaign)
    outbox = vendors.export_round(lake.lake, settings.settings, campaign, 1)
    result = made(lake.lake, "annotation_tasks", {"campaign": campaign}, report)
    return result._replace(metadata={**(result.metadata or {}), "outbox": dg.MetadataValue.path(str(outbox))})


@dg.asset(group_name=GROUP, kinds={"python", "parquet"}, deps=[annotation_tasks])
def deliveries(
    context: dg.AssetExecutionContext, lake: LakeResource, settings: SettingsResource
) -> dg.MaterializeResult:
    """The vendor's files, row by row in the canonical shape; rows that break a rule are quarantined with it."""
    campaign = context.partition_key
    for vendor in settings.settings.campaign(campaign).vendors:
        for file in vendors.take_in(lake.lake, settings.settings, vendor):
            log = context.log.warning if file.quarantined or file.ignored_fields else context.log.info
            log(str(file))
    return made(lake.lake, "deliveries", {"campaign": campaign}, vendors.received(lake.lake, campaign))


@dg.asset(
    group_name=GROUP, kinds={"duckdb", "parquet"}, deps=[deliveries, annotation_tasks], automation_condition=CHEAP
)
def annotations(context: dg.AssetExecutionContext, lake: LakeResource) -> dg.MaterializeResult:
    """All deliveries merged: of several ratings of the same response by the same annotator, the latest."""
    campaign = context.partition_key
    report = vendors.merge(lake.lake, campaign)
    return made(lake.lake, "annotations", {"campaign": campaign}, report)


@dg.asset(
    group_name=GROUP,
    kinds={"duckdb", "parquet"},
    deps=[annotation_tasks, annotations, "annotator_quality"],
)
def top_up_tasks(
    context: dg.AssetExecutionContext, lake: LakeResource, settings: SettingsResource
) -> dg.MaterializeResult:
    """Further annotators for disputed tasks and in place of untrusted ones: a ledger of rounds, never ordered twice."""
    campaign = context.partition_key
    report = vendors.order_top_ups(lake.lake, settings.settings, campaign)
    return made(lake.lake, "top_up_tasks", {"campaign": campaign}, report)
