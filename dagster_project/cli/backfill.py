"""`steerworks backfill`: fill the missing cells of models × prompt batches, and no others."""

from __future__ import annotations

from typing import Annotated

import typer

from dagster_project.cli.launch import Launcher
from dagster_project.cli.progress import TerminalProgress, TerminalProgressResource
from dagster_project.cli.terminal import open_console
from dagster_project.errors import SteerworksError
from dagster_project.settings import Settings


def backfill(
    models: Annotated[
        list[str] | None, typer.Argument(help="models to fill; all that are configured if left out")
    ] = None,
    max_usd: Annotated[
        float | None,
        typer.Option(help="what this command may spend, in equal parts on each unbroken range of missing cells"),
    ] = None,
) -> None:
    """Have models answer every selected prompt that they have not answered yet; one that fails stops no other."""
    settings, console = Settings.from_environment(), open_console()
    known = sorted(settings.models.models)
    if unknown := sorted(set(models or []) - set(known)):
        raise SteerworksError(
            f"{settings.folder / 'models.yaml'} has no model {', '.join(unknown)}; it has: {', '.join(known)}."
        )
    with TerminalProgress(console) as terminal:
        launcher = Launcher(settings, TerminalProgressResource(terminal))
        ranges = launcher.missing_responses(models or known)
        share = None if max_usd is None or not ranges else max_usd / len(ranges)
        problems = _fill(launcher, ranges, share, terminal)
    if not ranges:
        console.print("Nothing is missing: every model has answered every selected prompt.")
    if problems:
        raise SteerworksError("\n".join(problems))
    if left := launcher.missing_responses(models or known):
        names = ", ".join(first if first == last else f"{first} … {last}" for first, last in left)
        console.print(
            f"Still missing, for want of money or after faults: {names}. Run it again to go on.", style="yellow"
        )


def _fill(
    launcher: Launcher, ranges: list[tuple[str, str]], share: float | None, terminal: TerminalProgress
) -> list[str]:
    """Fill one range after the other, each for its share of the money; return why some could not be filled."""
    problems: list[str] = []
    for first, last in ranges:
        try:
            with terminal.step(first if last == first else f"{first} … {last}"):
                launcher.responses_in_range(first, last, share)
        except SteerworksError as error:
            problems.append(str(error))
    return problems
