"""`steerworks backfill`: fill the missing cells of models × prompt batches, and no others."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from typing import Annotated

import typer

from dagster_project.cli.dry_run import print_estimates
from dagster_project.cli.launch import Launcher, RunStoppedError
from dagster_project.cli.missing import missing_in_words, print_nothing_is_missing, print_unselected
from dagster_project.cli.money import Allowance, amount_of_usd, left
from dagster_project.cli.progress import TerminalProgress, TerminalProgressResource
from dagster_project.cli.terminal import open_console
from dagster_project.errors import SteerworksError
from dagster_project.generation import collect_left_behind, collect_unasked, unfilled_cells
from dagster_project.lake import Lake
from dagster_project.partitions import CellRange
from dagster_project.settings import ModelsFile, Settings


def backfill(
    models: Annotated[
        list[str] | None, typer.Argument(help="models to fill; all that are configured if left out")
    ] = None,
    max_usd: Annotated[
        float | None,
        typer.Option(
            callback=amount_of_usd,
            help="what this command may spend: models share it, and what one leaves, others get",
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="say what it would take, and ask nothing")] = False,
) -> None:
    """Have models answer every selected prompt that they have not answered yet; one that fails stops no other."""
    settings, console = Settings.from_environment(), open_console()
    known = sorted(settings.models.models)
    if unknown := sorted(set(models or []) - set(known)):
        raise SteerworksError(
            f"{settings.folder / 'models.yaml'} has no model {', '.join(unknown)}; it has: {', '.join(known)}."
        )
    if dry_run:
        print_estimates(console, settings, models or known, max_usd)
        return
    lake, slugs = Lake(settings.home.lake), models or known
    with TerminalProgress(console) as terminal:
        launcher = Launcher(settings, TerminalProgressResource(terminal))
        unfilled = unfilled_cells(lake, settings.models, slugs)
        ranges = launcher.ranges_to_fill(unfilled)
        _collect_what_no_run_does(lake, settings.models, slugs, unfilled, terminal)
        problems = [*_fill(launcher, ranges, max_usd, terminal), *_check(launcher, slugs, terminal)]
    if not unfilled:
        print_nothing_is_missing(console, lake)
    print_unselected(console, lake, settings.home)
    if still_unfilled := unfilled_cells(lake, settings.models, slugs):
        console.print(missing_in_words(lake, still_unfilled), style="yellow", highlight=False, soft_wrap=True)
    if problems:
        raise SteerworksError("\n".join(problems))


def _collect_what_no_run_does(
    lake: Lake,
    models: ModelsFile,
    slugs: Collection[str],
    unfilled: Collection[tuple[str, str]],
    terminal: TerminalProgress,
) -> None:
    """Collect what is out for cells that are full, and for models that are gone whose endpoints nobody is asked at."""
    collect_unasked(lake, models, slugs, unfilled, terminal)
    collect_left_behind(lake, models, set(slugs) - {model for model, _ in unfilled}, terminal)


def _fill(launcher: Launcher, ranges: list[CellRange], max_usd: float | None, terminal: TerminalProgress) -> list[str]:
    """Fill one range of cells after the other; return why some could not be filled.

    Those of the same prompt batches share what the ones before them left. One for which that was too little is filled
    once more if the ones after it left some of theirs.
    """
    problems: dict[CellRange, list[str]] = {}
    cut_short: list[tuple[CellRange, float]] = []
    for number, cells in enumerate(ranges, start=1):
        before = terminal.spent_usd
        share = left(max_usd, before).share_of(cells, ranges[number - 1 :])
        problems[cells] = _fill_one(launcher, cells, share, terminal)
        if terminal.ran_short and share.usd is not None and number < len(ranges):  # the last one had all that there was
            cut_short.append((cells, before + share.usd - terminal.spent_usd))
    for cells, was_too_little in cut_short:
        rest = left(max_usd, terminal.spent_usd)
        if rest.usd is not None and rest.usd > max(0.0, was_too_little):
            problems[cells] = _fill_one(launcher, cells, rest, terminal, ", with what others left")
    return [problem for of_range in problems.values() for problem in of_range]


def _fill_one(
    launcher: Launcher, cells: CellRange, allowance: Allowance, terminal: TerminalProgress, how: str = ""
) -> list[str]:
    """Fill a range of cells; return why that was not possible."""
    return _problems_of(f"{cells}{how}", partial(launcher.responses, cells, allowance), terminal)


def _check(launcher: Launcher, slugs: Collection[str], terminal: TerminalProgress) -> list[str]:
    """Check what other runs filled and left unchecked, as they were stopped or killed; return what is wrong with it."""
    problems: list[str] = []
    for cells in launcher.ranges_to_check(slugs):
        step = f"checks of {cells}, not made before"
        problems += _problems_of(step, partial(launcher.check_responses, cells), terminal)
    return problems


def _problems_of(step: str, run: Callable[[], None], terminal: TerminalProgress) -> list[str]:
    """Run a step; return why that was not possible."""
    try:
        with terminal.step(step):
            run()
    except RunStoppedError:
        raise
    except SteerworksError as error:
        return [str(error)]
    return []
