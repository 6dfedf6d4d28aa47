"""`steerworks responses`: what is known of each model's answers."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from dagster_project.cli.terminal import open_console
from dagster_project.errors import SteerworksError
from dagster_project.generation import CellCount, verify_responses
from dagster_project.lake import Lake
from dagster_project.settings import Settings

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
        console.print("There are no selected prompts yet, so no response is wanted.")
        return
    console.print(_table(counts))
    if differing := [count for count in counts if count.differing]:
        cells = ", ".join(f"{count.model}|{count.prompt_batch} ({count.differing} rows)" for count in differing)
        names = " ".join(sorted({count.model for count in differing}))
        raise SteerworksError(
            f"the table `responses` is not what the journals say, in {cells}. The journals hold what was answered: "
            f"delete the folders of these cells in {lake.root / 'responses'}, and run `steerworks backfill {names}` to "
            "make the table again; no answer is asked for twice."
        )


def _table(counts: list[CellCount]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("model", "prompt batch"):
        table.add_column(name)
    for name in ("wanted", "present", "failed", "missing", "differing"):
        table.add_column(name, justify="right")
    for count in counts:
        figures = (count.wanted, count.present, count.failed, count.missing, count.differing)
        table.add_row(count.model, count.prompt_batch, *(f"{figure:,}" for figure in figures))
    return table
