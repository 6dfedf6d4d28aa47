"""Release: a versioned folder with its whole history."""

from functools import partial

import dagster as dg

from assets.annotation import annotation_tasks
from assets.quality import agreement, consensus, retained_annotations
from dagster_project.quality.expectations import load_suites, unmet
from dagster_project.releases import build_release
from dagster_project.resources import LakeResource, SettingsResource
from dagster_project.settings import PROJECT_ROOT

GROUP = "release"
EVERY = dg.AllPartitionMapping()


@dg.asset(
    group_name=GROUP,
    kinds={"duckdb", "parquet", "huggingface"},
    deps=[
        dg.AssetDep(upstream, partition_mapping=EVERY)
        for upstream in (annotation_tasks, retained_annotations, agreement, consensus)
    ],
)
def dataset_release(
    context: dg.AssetExecutionContext, lake: LakeResource, settings: SettingsResource
) -> dg.MaterializeResult:
    """The release's folder with data, provenance, card and manifest: built once, then only verified."""
    version = context.partition_key
    suites = load_suites(PROJECT_ROOT / "expectations")
    report = build_release(lake.lake, settings.settings, version, partial(unmet, lake.lake, suites=suites))
    return dg.MaterializeResult(
        metadata={
            "status": report.status,
            "path": dg.MetadataValue.path(str(report.path)),
            "tasks": report.tasks,
            "simulated": report.simulated,
            **{f"rows in {file}": rows for file, rows in report.rows.items()},
        }
    )
