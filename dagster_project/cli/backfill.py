"""`steerworks backfill`: fill the missing cells of models × prompt batches, and no others."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from dagster_project.cli.launch import Launcher, RunStoppedError
from dagster_project.cli.progress import TerminalProgress, TerminalProgressResource
from dagster_project.cli.terminal import open_console
from dagster_project.errors import SteerworksError
from dagster_project.generation import estimate, unfilled_cells
from dagster_project.lake import Lake
from dagster_project.settings import Settings


def backfill(
    models: Annotated[
        list[str] | None, typer.Argument(help="models to fill; all that are configured if left out")
    ] = None,
    max_usd: Annotated[
        float | None,
        typer.Option(help="what this command may spend, in equal parts on each unbroken range of missing cells"),
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
        _print_estimates(console, settings, models or known)
        return
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
            f"Still missing, for want of money, after faults, or out in batches: {names}. Run it again to go on.",
            style="yellow",
        )


def _print_estimates(console: Console, settings: Settings, models: list[str]) -> None:
    """Print what each model would be asked for, and what it would cost."""
    lake = Lake(settings.home.lake)
    estimates = estimate(lake, settings.models, unfilled_cells(lake, settings.models, models))
    if not estimates:
        console.print("Nothing is missing: every model has answered every selected prompt.")
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("model")
    for name in ("cells", "requests", "tokens read", "tokens written", "USD", "USD at most"):
        table.add_column(name, justify="right")
    for model in estimates:
        counts = (model.cells, model.requests, model.prompt_tokens, model.completion_tokens)
        table.add_row(model.model, *(f"{c:,}" for c in counts), f"{model.usd:,.4f}", f"{model.most_usd:,.4f}")
    console.print(table)
    unasked = [model.model for model in estimates if not model.answers_so_far]
    console.print(
        "A token is taken for four bytes of a prompt; an answer for as long as the model's answers so far"
        + (f", or as long as it may be for {', '.join(unasked)}, which gave none yet" if unasked else "")
        + ". Nothing was asked.",
        soft_wrap=True,
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
        except RunStoppedError:
            raise
        except SteerworksError as error:
            problems.append(str(error))
    return problems
