"""What `--dry-run` prints: what asking would take, what it would cost, and which limits are in the way."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from dagster_project.cli.missing import print_nothing_is_missing, print_unselected
from dagster_project.cli.money import OPTION
from dagster_project.errors import SteerworksError
from dagster_project.generation import Estimate, MoneyLimit, estimate, money_limits, unfilled_cells
from dagster_project.lake import Lake
from dagster_project.settings import Settings


def print_estimates(console: Console, settings: Settings, models: list[str], max_usd: float | None) -> None:
    """Print what each model would be asked for, what it would cost, and which limits are in the way."""
    lake = Lake(settings.home.lake)
    estimates = estimate(lake, settings.models, unfilled_cells(lake, settings.models, models))
    if estimates:
        _print_table(console, estimates)
    else:
        print_nothing_is_missing(console, lake)
    for words in (*_keys_that_lack(settings, estimates), *_limits_in_the_way(settings, estimates, max_usd)):
        console.print(words, style="yellow", highlight=False, soft_wrap=True)
    print_unselected(console, lake, settings.home)


def _print_table(console: Console, estimates: list[Estimate]) -> None:
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


def _keys_that_lack(settings: Settings, estimates: list[Estimate]) -> Iterator[str]:
    """Say which models could not be asked for want of a key."""
    for model in estimates:
        try:
            settings.models.api_key_of(model.model)
        except SteerworksError as error:
            yield str(error)


def _limits_in_the_way(settings: Settings, estimates: list[Estimate], max_usd: float | None) -> list[str]:
    """Say which limits would stop the asking before all is asked, or could."""
    of_command = [] if max_usd is None else [MoneyLimit(OPTION, max_usd, 0.0, "")]
    likely: defaultdict[MoneyLimit, float] = defaultdict(float)
    most: defaultdict[MoneyLimit, float] = defaultdict(float)
    for model in estimates:
        is_batched = settings.models.models[model.model].batch is not None
        for limit in (*of_command, *money_limits(settings.home.lake, settings.models, model.model)):
            likely[limit] += model.most_usd if is_batched else model.usd  # a batch is booked before it is handed in
            most[limit] += model.most_usd
    return [_in_the_way(limit, likely[limit]) for limit in most if limit.left_usd < most[limit]]


def _in_the_way(limit: MoneyLimit, likely_usd: float) -> str:
    in_batches = (
        f", beside {limit.in_batches_usd:,.4f} that are held for batches, of which comes free what these do not need"
        if limit.in_batches_usd
        else ""
    )
    return (
        f"{limit.name} leaves {limit.left_usd:,.4f} of {limit.usd:,.4f} USD{in_batches}: asking "
        f"{'would' if limit.left_at_best_usd < likely_usd else 'could'} stop there."
    )
