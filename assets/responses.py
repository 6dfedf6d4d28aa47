"""Responses: every model's answer to every selected prompt. Asked within the money of the run."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import dagster as dg

from assets.prompts import selected_prompts
from dagster_project.checks import check_in_a_step_that_fails
from dagster_project.errors import SteerworksError
from dagster_project.metadata import figures, keep_for_the_end
from dagster_project.partitions import cell_key, cell_of
from dagster_project.resources import LakeResource, ProgressResource, SettingsResource, Spending

if TYPE_CHECKING:
    from dagster_project.generation import Cell

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
    the others, which show as soon as they are whole, and are checked; the run then fails at the end with the reasons.
    """
    from dagster_project.generation import Cell, answer_cells  # noqa: PLC0415 - loads slowly
    from dagster_project.quality.expectations import ChecksAhead  # noqa: PLC0415 - loads slowly

    reporter = progress.reporter(context.log)
    cells = [Cell(**cell_of(key)) for key in context.partition_keys]
    problems: dict[Cell, SteerworksError] = {}
    with config.purse(reporter) as purse, ChecksAhead(lake.lake, "responses", reporter.waiting) as checks:
        for cell, result in answer_cells(lake.lake, settings.settings.models, cells, reporter, purse):
            if isinstance(result, SteerworksError):
                problems[cell] = result
                continue
            checks.check(cell._asdict())
            metadata, key = figures(lake.lake, "responses", cell._asdict(), result), cell_key(*cell)
            keep_for_the_end(context, key, metadata)
            if len(cells) > 1:  # the run goes on, and may fail: what is whole counts from now on
                context.log_event(dg.AssetMaterialization(context.asset_key, partition=key, metadata=metadata))
    if problems:
        whole = [cell_key(*cell) for cell in cells if cell not in problems]
        check_in_a_step_that_fails(context, lake.lake, whole)
        raise dg.Failure(_told(problems), allow_retries=False)
    return dg.MaterializeResult()


def _told(problems: "Mapping[Cell, SteerworksError]") -> str:
    """Say each reason once, with the cells that it kept from being filled."""
    by_reason: dict[str, list[str]] = {}
    for cell, problem in problems.items():
        by_reason.setdefault(str(problem), []).append(str(cell_key(*cell)))
    return "\n".join(f"{', '.join(sorted(keys))}: {reason}" for reason, keys in by_reason.items())
