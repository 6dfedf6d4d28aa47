"""Release: a versioned folder with its whole history, and the same on the Hub."""

from functools import partial

import dagster as dg

from assets.annotation import annotation_tasks
from assets.quality import agreement, consensus, retained_annotations
from dagster_project import releases
from dagster_project.quality import expectations
from dagster_project.releases import publishing
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
    suites = expectations.load_suites(PROJECT_ROOT / "expectations")
    report = releases.build_release(
        lake.lake, settings.settings, version, partial(expectations.unmet, lake.lake, suites=suites)
    )
    return dg.MaterializeResult(
        metadata={
            "status": report.status,
            "path": dg.MetadataValue.path(str(report.path)),
            "tasks": report.tasks,
            "simulated": report.simulated,
            **{f"rows in {file}": rows for file, rows in report.rows.items()},
        }
    )


@dg.asset(group_name=GROUP, kinds={"huggingface"}, deps=[dataset_release])
def published_release(
    context: dg.AssetExecutionContext, lake: LakeResource, settings: SettingsResource
) -> dg.MaterializeResult:
    """The release on the Hugging Face Hub: one commit and one tag, made once and never moved."""
    suites = expectations.load_suites(PROJECT_ROOT / "expectations")
    published = publishing.publish_release(
        lake.lake, settings.settings, context.partition_key, partial(expectations.unmet, lake.lake, suites=suites)
    )
    return dg.MaterializeResult(
        metadata={
            "status": published.status,
            "address": dg.MetadataValue.url(published.address),
            "commit": published.commit,
            "files": published.files,
            "private": published.private,
        }
    )
