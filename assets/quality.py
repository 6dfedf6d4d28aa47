"""Quality: whom to trust, what to keep, how far annotators agree, what is published."""

import dagster as dg

from assets.annotation import annotation_tasks, annotations
from dagster_project import quality
from dagster_project.automation import CHEAP
from dagster_project.metadata import made
from dagster_project.resources import LakeResource, SettingsResource

GROUP = "quality"


@dg.asset(group_name=GROUP, kinds={"duckdb", "parquet"}, deps=[annotations], automation_condition=CHEAP)
def annotator_quality(
    context: dg.AssetExecutionContext, lake: LakeResource, settings: SettingsResource
) -> dg.MaterializeResult:
    """Who is careless, biased or copying: each annotator trusted or not, by rule and figure."""
    campaign = context.partition_key
    report = quality.judge_annotators(lake.lake, settings.settings, campaign)
    return made(lake.lake, "annotator_quality", {"campaign": campaign}, report)


@dg.asset(
    group_name=GROUP,
    kinds={"duckdb", "parquet"},
    deps=[annotation_tasks, annotations, annotator_quality, "top_up_tasks"],
    # Top-ups are ordered by a person, so what is retained does not wait for them.
    automation_condition=CHEAP.ignore(dg.AssetSelection.assets("top_up_tasks")),
)
def retained_annotations(
    context: dg.AssetExecutionContext, lake: LakeResource, settings: SettingsResource
) -> dg.MaterializeResult:
    """Every annotation with the stage that it reached and the reason why it left."""
    campaign = context.partition_key
    report = quality.retain_annotations(lake.lake, settings.settings, campaign)
    return made(lake.lake, "retained_annotations", {"campaign": campaign}, report)


@dg.asset(
    group_name=GROUP,
    kinds={"duckdb", "parquet"},
    deps=[annotation_tasks, retained_annotations],
    automation_condition=CHEAP,
)
def agreement(
    context: dg.AssetExecutionContext, lake: LakeResource, settings: SettingsResource
) -> dg.MaterializeResult:
    """Kappa and alpha at each stage, beside what the same selection gives on shuffled ratings."""
    campaign = context.partition_key
    report = quality.measure_agreement(lake.lake, settings.settings, campaign)
    shown = quality.show_agreement(lake.lake, settings.settings, campaign)
    return made(lake.lake, "agreement", {"campaign": campaign}, report, shown)


@dg.asset(group_name=GROUP, kinds={"duckdb", "parquet"}, deps=[retained_annotations], automation_condition=CHEAP)
def consensus(
    context: dg.AssetExecutionContext, lake: LakeResource, settings: SettingsResource
) -> dg.MaterializeResult:
    """The published rating of each response within its task, its spread, and the task's preference."""
    campaign = context.partition_key
    report = quality.reach_consensus(lake.lake, settings.settings, campaign)
    shown = quality.show_aggregations(lake.lake, settings.settings, campaign)
    return made(lake.lake, "consensus", {"campaign": campaign}, report, shown)
