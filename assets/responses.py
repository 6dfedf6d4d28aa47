"""Responses: every model's answer to every selected prompt. Asked within the money of the run."""

from typing import Any

import dagster as dg

from assets.prompts import selected_prompts
from dagster_project.errors import SteerworksError
from dagster_project.generation import Purse, answer_cell
from dagster_project.metadata import figures
from dagster_project.partitions import cell_of
from dagster_project.resources import LakeResource, ProgressResource, SettingsResource, Spending

GROUP = "responses"


@dg.asset(
    group_name=GROUP,
    kinds={"openai", "parquet"},
    deps=[selected_prompts],
)
def responses(
    context: dg.AssetExecutionContext,
    config: Spending,
    lake: LakeResource,
    settings: SettingsResource,
    progress: dg.ResourceParam[ProgressResource],
) -> dg.MaterializeResult:
    """One row for each selected prompt and sample: text, usage, cost, request hash, the model's terms on that day.

    An answer that is there is never asked for again. A cell that cannot be filled does not stop
    the others: those are recorded as materialised, and the run fails at the end with the reasons.
    """
    models, reporter, purse = settings.settings.models, progress.reporter(context.log), Purse(config.max_usd)
    finished: dict[str, dict[str, Any]] = {}
    problems: list[str] = []
    for key in context.partition_keys:
        cell = cell_of(key)
        try:
            report = answer_cell(lake.lake, models, **cell, progress=reporter, purse=purse)
        except SteerworksError as error:
            problems.append(f"{key}: {error}")
            continue
        finished[key] = figures(lake.lake, "responses", cell, report)
    if problems:
        _keep(context, finished)
        raise dg.Failure("\n".join(problems), allow_retries=False)
    for key, metadata in finished.items():
        context.add_asset_metadata(metadata, partition_key=key)
    return dg.MaterializeResult()


def _keep(context: dg.AssetExecutionContext, finished: dict[str, dict[str, Any]]) -> None:
    """Record the cells that are whole although the run fails."""
    for key, metadata in finished.items():
        context.log_event(dg.AssetMaterialization(context.asset_key, partition=key, metadata=metadata))
