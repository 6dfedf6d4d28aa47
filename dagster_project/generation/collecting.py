"""Collecting what is out in batches for cells that nobody asks for: paid for all the same.

Belongs here: which cells these are, and what is told of them. Does not belong here: collecting for a cell that is asked
for (`cell`), and what is out for models that are gone (`batches.left_behind`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from dagster_project.errors import SteerworksError
from dagster_project.generation.batches.left_behind import as_configured_then, left_behind
from dagster_project.generation.batches.log import logs_of_batches
from dagster_project.generation.engine import Cell, Engine
from dagster_project.generation.progress import Progress
from dagster_project.lake import Lake
from dagster_project.settings import ModelsFile


def collect_unasked(
    lake: Lake, models: ModelsFile, slugs: Collection[str], asked: Collection[tuple[str, str]], progress: Progress
) -> None:
    """Collect what is out for cells of some models that nobody asks for now.

    They are full, or their prompts are no longer selected. What cannot be collected is told, each reason once.

    Args:
        lake: whose journals take the answers; the table is made anew when the cells are asked for.
        models: endpoints and models.
        slugs: the models.
        asked: cells that are asked for, given as model and prompt batch; whoever does so collects for them.
        progress: told what cannot be collected.
    """
    out = [Cell(model, batch) for model, batch, _ in logs_of_batches(lake.root) if model in slugs]
    left: dict[str, list[Cell]] = {}
    with Engine(lake, models, progress) as engine:
        for cell, result in engine.collect(cell for cell in out if cell not in asked):
            if isinstance(result, SteerworksError):
                left.setdefault(str(result), []).append(cell)
    for reason, cells in left.items():
        first, *others = sorted(cells)
        more = f" and {len(others)} more" if others else ""
        progress.waiting(f"{first.model}|{first.prompt_batch}{more}: {reason}")


def collect_left_behind(lake: Lake, models: ModelsFile, slugs: Iterable[str], progress: Progress) -> None:
    """Collect what models that models.yaml no longer has left with the providers that some models have.

    What cannot be collected is told, and keeps no cell from being answered.
    """
    endpoints = {models.models[slug].endpoint for slug in slugs if slug in models.models}
    left = [cell for cell in left_behind(lake.root, models) if cell.spec.endpoint in endpoints]
    if not left:
        return
    with Engine(lake, as_configured_then(models, left), progress) as engine:
        for cell, out in engine.collect(Cell(cell.model, cell.prompt_batch) for cell in left):
            progress.waiting(f"models.yaml no longer has the model `{cell.model}`: {_collected(cell, out)}")


def _collected(cell: Cell, out: int | SteerworksError) -> str:
    if isinstance(out, SteerworksError):
        return f"what was handed in for {cell.prompt_batch} could not be collected. {out}"
    if out:
        return f"{out} requests that were handed in for {cell.prompt_batch} are out in batches still."
    return f"what was handed in for {cell.prompt_batch} has been collected, and answers whoever asks the same."
