"""`steerworks responses`: what is known of each model's answers."""

from __future__ import annotations

import time
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from dagster_project.cli.missing import NOTHING_IS_SELECTED
from dagster_project.cli.terminal import open_console
from dagster_project.errors import SteerworksError
from dagster_project.generation import (
    CellCount,
    OutstandingBatch,
    outstanding_batches,
    unfilled_cells,
    verify_responses,
)
from dagster_project.lake import Lake
from dagster_project.settings import ModelsFile, Settings

RARE = ("in_batches", "unwanted")
"""Counts that are only shown where there are any."""

app = typer.Typer(help="The responses of the models.", no_args_is_help=True)


@app.callback()
def responses() -> None:
    """The responses of the models."""


@app.command()
def verify(
    models: Annotated[
        list[str] | None, typer.Argument(help="models to look at; all that are configured if left out")
    ] = None,
) -> None:
    """Count what is wanted, present, failed and missing, by model and batch; fail if table and journal differ."""
    settings, console = Settings.from_environment(), open_console()
    lake = Lake(settings.home.lake)
    batches = [path.parent.name.partition("=")[2] for path in lake.parts("selected_prompts")]
    slugs = models or sorted(settings.models.models)
    counts = list(verify_responses(lake, settings.models, [(slug, batch) for slug in slugs for batch in batches]))
    if not counts:
        console.print(NOTHING_IS_SELECTED)
        return
    console.print(_counts(counts))
    if unwanted := sum(count.unwanted for count in counts):
        console.print(
            f"{unwanted:,} rows are no longer wanted: their prompts are not selected any more, `samples` was lowered, "
            "or the model is asked otherwise now. They stay until their cells are asked again; `steerworks backfill "
            "--dry-run` says what that takes.",
            soft_wrap=True,
        )
    if at_work := [f"{count.model}|{count.prompt_batch}" for count in counts if count.at_work]:
        console.print(f"A run works on {', '.join(at_work)}, and writes the table when it is done.", soft_wrap=True)
    if differing := [count for count in counts if count.differing and not count.at_work]:
        raise _difference(lake, settings, differing)


def _difference(lake: Lake, settings: Settings, differing: list[CellCount]) -> SteerworksError:
    """Say what to do about cells whose rows are not what the journals say."""
    cells = ", ".join(f"{count.model}|{count.prompt_batch} ({count.differing} rows)" for count in differing)
    names = sorted({count.model for count in differing})
    unfilled = unfilled_cells(lake, settings.models, names)
    by_hand = [count for count in differing if (count.model, count.prompt_batch) not in unfilled]
    delete = f"delete the folders of these cells in {lake.root / 'responses'}, and " if by_hand else ""
    return SteerworksError(
        f"the table `responses` is not what the journals say, in {cells}. The journals hold what was answered: "
        f"{delete}run `steerworks backfill {' '.join(names)}` to make the table again; no answer is asked for twice."
    )


@app.command()
def batches() -> None:
    """List what is out with Batch APIs: requests, since when, and the money that is held for them."""
    settings, console = Settings.from_environment(), open_console()
    found = list(outstanding_batches(settings.home.lake))
    out = [batch for batch in found if isinstance(batch, OutstandingBatch)]
    if out:
        _print_batches(console, settings.models, out)
    elif not found:
        console.print("No batch is out.")
    if unreadable := [str(problem) for problem in found if isinstance(problem, SteerworksError)]:
        raise SteerworksError("\n".join(unreadable))


def _print_batches(console: Console, models: ModelsFile, out: list[OutstandingBatch]) -> None:
    console.print(_batches(out, models))
    requests, usd = sum(batch.requests for batch in out), sum(batch.booked_usd for batch in out)
    console.print(
        f"{requests:,} requests are out, with {usd:,.4f} USD held for them. The sensor `batches` collects what comes "
        "back; so does `steerworks backfill`.",
        soft_wrap=True,
    )
    if gone := sorted({batch.model for batch in out} - set(models.models)):
        console.print(
            f"models.yaml no longer has {', '.join(gone)}. What is out for them is collected by `steerworks backfill` "
            "if another model has the same endpoint, and waits until one has if not.",
            soft_wrap=True,
        )


def _batches(out: list[OutstandingBatch], models: ModelsFile) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("model", "prompt batch", "batch"):
        table.add_column(name, overflow="fold")
    for name in ("requests", "hours out", "USD held"):
        table.add_column(name, justify="right")
    for batch in out:
        name = batch.model if batch.model in models.models else f"{batch.model} (gone)"
        hours = (time.time() - batch.planned_at) / 3600
        table.add_row(
            name,
            batch.prompt_batch,
            batch.batch_id or "not known yet",
            f"{batch.requests:,}",
            f"{hours:,.1f}",
            f"{batch.booked_usd:,.4f}",
        )
    return table


def _counts(counts: list[CellCount]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("model", "prompt batch"):
        table.add_column(name)
    names = ["wanted", "present", "failed", "missing", "in_batches", "unwanted", "differing"]
    shown = [name for name in names if name not in RARE or any(getattr(count, name) for count in counts)]
    for name in shown:
        table.add_column(name.replace("_", " "), justify="right")
    for count in counts:
        table.add_row(count.model, count.prompt_batch, *(f"{getattr(count, name):,}" for name in shown))
    return table
