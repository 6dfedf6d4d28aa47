"""Making partitions of `responses`: what a run of theirs calls.

Belongs here: what comes before cells are answered, and in which form the outcome is given. Does not belong here: how
they are answered (`engine`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dagster_project.errors import SteerworksError
from dagster_project.generation.collecting import collect_left_behind
from dagster_project.generation.engine import Cell, Engine
from dagster_project.generation.filling import CellReport
from dagster_project.generation.limits.purse import Purse
from dagster_project.generation.progress import Progress
from dagster_project.lake import Lake
from dagster_project.settings import ModelsFile


def answer_cells(
    lake: Lake, models: ModelsFile, cells: Iterable[Cell], progress: Progress, purse: Purse | None = None
) -> Iterator[tuple[Cell, CellReport | SteerworksError]]:
    """Make partitions of `responses`: a row for each selected prompt and sample of a batch.

    What any journal of the lake knows by request hash is not asked for again. Faults that the
    next run may find gone, and requests that the money did not reach for (reason ``budget``), are
    failed rows that the next run asks for. A cell that cannot be filled does not stop the others.

    Args:
        lake: where `selected_prompts` is read and `responses` is written.
        models: endpoints and models.
        cells: which partitions; the first ones first.
        progress: told after each answer.
        purse: the run's money, which all cells take from, even if they fail; None for no limit. The
            limit is never exceeded as long as the server is paid for no more tokens than ``max_tokens`` and the
            prompt's bytes allow.

    Yields:
        Each cell as it is finished, with its report, or with the reason why it could not be filled: the batch or the
        model is unknown, the endpoint is down or turns everything away, or the disk does not take an answer.
        Answers until then are kept.
    """
    cells = list(cells)
    collect_left_behind(lake, models, (cell.model for cell in cells), progress)
    with Engine(lake, models, progress, purse) as engine:
        yield from engine.answer(cells)


def answer_cell(
    lake: Lake, models: ModelsFile, model: str, prompt_batch: str, progress: Progress, purse: Purse | None = None
) -> CellReport:
    """Make one partition of `responses`, as `answer_cells` does.

    Raises:
        SteerworksError: it could not be filled.
    """
    [(_, result)] = answer_cells(lake, models, [Cell(model, prompt_batch)], progress, purse)
    if isinstance(result, SteerworksError):
        raise result
    return result
