"""`steerworks backfill`: fill the missing cells of models × prompt batches, and no others."""

from __future__ import annotations

from collections import defaultdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from dagster_project.cli.launch import Launcher, RunStoppedError
from dagster_project.cli.missing import missing_in_words
from dagster_project.cli.money import amount_of_usd, left
from dagster_project.cli.progress import TerminalProgress, TerminalProgressResource
from dagster_project.cli.terminal import open_console
from dagster_project.errors import SteerworksError
from dagster_project.generation import Estimate, MoneyLimit, estimate, money_limits, unfilled_cells
from dagster_project.lake import Lake
from dagster_project.settings import Settings


def backfill(
    models: Annotated[
        list[str] | None, typer.Argument(help="models to fill; all that are configured if left out")
    ] = None,
    max_usd: Annotated[
        float | None,
        typer.Option(
            callback=amount_of_usd,
            help="what this command may spend, shared out among unbroken ranges of missing cells",
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
        _print_estimates(console, settings, models or known, max_usd)
        return
    with TerminalProgress(console) as terminal:
        launcher = Launcher(settings, TerminalProgressResource(terminal))
        ranges = launcher.missing_responses(models or known)
        problems = _fill(launcher, ranges, max_usd, terminal)
    if not ranges:
        console.print("Nothing is missing: every model has answered every selected prompt.")
    if problems:
        raise SteerworksError("\n".join(problems))
    lake = Lake(settings.home.lake)
    if unfilled := unfilled_cells(lake, settings.models, models or known):
        console.print(missing_in_words(lake, unfilled), style="yellow", highlight=False, soft_wrap=True)


def _print_estimates(console: Console, settings: Settings, models: list[str], max_usd: float | None) -> None:
    """Print what each model would be asked for, what it would cost, and which limits are in the way."""
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
    for words in _limits_in_the_way(settings, estimates, max_usd):
        console.print(words, style="yellow", highlight=False, soft_wrap=True)


def _limits_in_the_way(settings: Settings, estimates: list[Estimate], max_usd: float | None) -> list[str]:
    """Say which limits would stop the asking before all is asked, or could."""
    of_command = [] if max_usd is None else [MoneyLimit("`--max-usd`", max_usd, 0.0, "")]
    likely: defaultdict[MoneyLimit, float] = defaultdict(float)
    most: defaultdict[MoneyLimit, float] = defaultdict(float)
    for model in estimates:
        for limit in (*of_command, *money_limits(settings.home.lake, settings.models, model.model)):
            likely[limit] += model.usd
            most[limit] += model.most_usd
    return [
        f"{limit.name} leaves {limit.left_usd:,.4f} of {limit.usd:,.4f} USD: asking "
        f"{'would' if limit.left_usd < likely[limit] else 'could'} stop there."
        for limit in most
        if limit.left_usd < most[limit]
    ]


def _fill(
    launcher: Launcher, ranges: list[tuple[str, str]], max_usd: float | None, terminal: TerminalProgress
) -> list[str]:
    """Fill one range after the other, each for an equal share of what is left; return why some could not be filled."""
    problems: list[str] = []
    for number, (first, last) in enumerate(ranges):
        rest = left(max_usd, terminal.spent_usd)
        share = None if rest is None else rest / (len(ranges) - number)
        try:
            with terminal.step(first if last == first else f"{first} … {last}"):
                launcher.responses_in_range(first, last, share)
        except RunStoppedError:
            raise
        except SteerworksError as error:
            problems.append(str(error))
    return problems
