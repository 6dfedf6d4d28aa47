"""`steerworks prompts`: bring prompts of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dagster_project.cli.launch import Launcher
from dagster_project.cli.money import Allowance, amount_of_usd
from dagster_project.cli.progress import TerminalProgress, TerminalProgressResource
from dagster_project.cli.summary import print_prompts
from dagster_project.cli.terminal import open_console
from dagster_project.curation import deliver_prompts, delivered_batches
from dagster_project.lake import Lake
from dagster_project.settings import Settings

app = typer.Typer(help="Bring prompts of your own.", no_args_is_help=True)


@app.command("add")
def add(
    file: Annotated[
        Path,
        typer.Argument(
            help="JSONL, JSON, Parquet or a `save_to_disk` folder: `prompt`, `messages` or ShareGPT's `conversations`"
        ),
    ],
    batch: Annotated[str, typer.Option(help="a name for these prompts; becomes a partition")],
    source: Annotated[str, typer.Option(help="where they come from; a row's own `source` wins")],
    licence: Annotated[str, typer.Option(help="their licence; a row's own `licence` wins")],
    run: Annotated[bool, typer.Option(help="curate and select them now, which may ask the models that curate")] = True,
    max_usd: Annotated[
        float | None, typer.Option(callback=amount_of_usd, help="what these models may cost, if they have prices")
    ] = None,
) -> None:
    """Take in a file or folder of prompts as a batch, then curate and select them."""
    if max_usd is not None and not run:
        raise typer.BadParameter("`--max-usd` is for the models that curate, and `--no-run` asks none; leave one out")
    settings, console = Settings.from_environment(), open_console()
    delivery = deliver_prompts(settings.home, file, batch, source, licence)
    rows = "1 row" if delivery.rows == 1 else f"{delivery.rows} rows"
    console.print(f"Batch `{batch}` has {rows} of {file}, from number {delivery.first_number}.")
    if run:
        with TerminalProgress(console) as bars:
            Launcher(settings, TerminalProgressResource(bars)).prompts(batch, Allowance(max_usd))
        print_prompts(console, Lake(settings.home.lake), [batch])
        console.print(
            f"Name `{batch}` under `prompt_batches` of a campaign in {settings.folder / 'campaigns.yaml'}, or run "
            "`steerworks backfill` to have every model answer them.",
            soft_wrap=True,
        )


@app.command("list")
def list_batches() -> None:
    """List the batches in order of intake."""
    console = open_console()
    for delivery in delivered_batches(Settings.from_environment().home):
        console.print(
            f"{delivery.batch}: {delivery.rows} rows of {delivery.file}, {delivery.source}, {delivery.licence}"
        )
