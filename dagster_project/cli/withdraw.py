"""`steerworks withdraw`: the legal withdrawal of a prompt or of a worker."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.markdown import Markdown

from dagster_project.cli.launch import remove_runs_quoting
from dagster_project.cli.terminal import open_console
from dagster_project.errors import SteerworksError
from dagster_project.lake import Lake
from dagster_project.settings import Settings
from dagster_project.withdrawal import Scope, page, plan, purge, withdrawal_of_prompt, withdrawal_of_worker
from dagster_project.withdrawal.prompt_tables import retired_labels
from dagster_project.withdrawal.purge import held_by

app = typer.Typer(help="Purge a prompt or a worker for good, on a legal request.", no_args_is_help=True)
DryRun = Annotated[bool, typer.Option("--dry-run", help="list what would go, and change nothing")]


@app.command("prompt")
def prompt(
    prompt_id: Annotated[str, typer.Argument(metavar="ID", help="as `steerworks explain` and `sql` show it: p-…")],
    dry_run: DryRun = False,
) -> None:
    """Purge a prompt, all that was answered to it and all that was said of these answers; refuse it from then on."""
    settings = Settings.from_environment()
    _withdraw(withdrawal_of_prompt(Lake(settings.home.lake), settings, prompt_id), dry_run)


@app.command("worker")
def worker(
    vendor: Annotated[str, typer.Argument(help="slug in config/vendors.yaml")],
    worker_id: Annotated[
        str, typer.Argument(metavar="WORKER", help="the vendor's own id; `-` reads it from the standard input")
    ],
    dry_run: DryRun = False,
) -> None:
    """Purge a worker and all ratings; refuse them from then on. `-` keeps the id out of the shell's history."""
    settings = Settings.from_environment()
    named = sys.stdin.readline().strip() if worker_id == "-" else worker_id.strip()
    if not named:
        raise SteerworksError("no worker is named: give the vendor's own id, or `-` and the id on the standard input.")
    _withdraw(withdrawal_of_worker(Lake(settings.home.lake), settings, vendor, named), dry_run)


def _withdraw(scope: Scope, dry_run: bool) -> None:
    console = open_console()
    if not dry_run:
        # before the purge, as the texts that they may quote are not known after it
        runs = remove_runs_quoting(scope.settings.home, [*scope.texts, *retired_labels(scope)])
        console.print(Markdown(page(scope, purge(scope), runs)))
        return
    for cut in plan(scope):
        console.print(f"{cut.store}: {cut.rows:,} of {cut.path}", soft_wrap=True, highlight=False)
    for version in held_by(scope):
        console.print(f"releases: {version} would be yanked", highlight=False)
    console.print("Nothing was changed.")
