"""The one place where everything is put together.

`build_defs` makes the definitions for any settings; tests and the command line use it with
their own. `defs` is what Dagster loads, and is built only when it is asked for.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import dagster as dg

from assets import annotation, prompts, quality, release, responses
from dagster_project.automation import build_jobs, build_schedules, build_sensors
from dagster_project.checks import build_checks
from dagster_project.metadata import describing
from dagster_project.partitions import BACKFILLS, partitions_by_asset
from dagster_project.quality.expectations import load_suites
from dagster_project.resources import LakeResource, ProgressResource, SettingsResource
from dagster_project.settings import PROJECT_ROOT, Settings

# Partitioned checks are in preview; every load would say so once for each expectation.
warnings.filterwarnings("ignore", category=dg.PreviewWarning)

OWNER = "team:steerworks"
LINEAGE: list[dg.AssetsDefinition] = [
    *(prompts.raw_prompts, prompts.curated_prompts, prompts.selected_prompts),
    responses.responses,
    *(annotation.annotation_tasks, annotation.deliveries, annotation.annotations, annotation.top_up_tasks),
    *(quality.annotator_quality, quality.retained_annotations, quality.agreement, quality.consensus),
    *(release.dataset_release, release.published_release),
]


def build_defs(settings: Settings | None = None, resource_overrides: Mapping[str, Any] | None = None) -> dg.Definitions:
    """Return all definitions for the given settings, or for those that the environment names.

    Raises:
        SteerworksError: the configuration or an expectation suite breaks a rule.
    """
    settings = settings or Settings.from_environment()
    partitions = partitions_by_asset(settings)

    def with_common_attributes(spec: dg.AssetSpec) -> dg.AssetSpec:
        name = spec.key.to_user_string()
        described = spec.replace_attributes(partitions_def=partitions[name], owners=[OWNER])
        return described.merge_attributes(metadata=describing(name))

    resources = {
        "lake": LakeResource(root=str(settings.home.lake)),
        "settings": SettingsResource(folder=str(settings.folder), home=str(settings.home.root)),
        "progress": ProgressResource(),
    }
    return dg.Definitions(
        assets=[
            asset.with_attributes(backfill_policy=BACKFILLS.get(asset.key.to_user_string()))
            for asset in dg.map_asset_specs(with_common_attributes, LINEAGE)
        ],
        asset_checks=build_checks(load_suites(PROJECT_ROOT / "expectations"), partitions),
        jobs=build_jobs(),
        schedules=build_schedules(settings),
        sensors=build_sensors(settings),
        resources={**resources, **(resource_overrides or {})},
        executor=dg.in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """What Dagster loads."""
    return build_defs()
