"""`steerworks vault`: what is kept of people, and for how long."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from dagster_project.cli.terminal import open_console
from dagster_project.settings import Settings
from dagster_project.vendors import expired_raw

app = typer.Typer(help="Raw deliveries and worker ids: how long they are kept.", no_args_is_help=True)


@app.callback()
def vault() -> None:
    """Keep the vault's one verb a word of its own."""


@app.command("expire")
def expire(dry_run: Annotated[bool, typer.Option(help="only list them")] = False) -> None:
    """Remove raw deliveries that are older than `vault_retention_days`; their rows in the lake stay."""
    settings, console = Settings.from_environment(), open_console()
    days = settings.vendors.vault_retention_days
    old = expired_raw(settings.home, days, time.time())
    for path in old:
        if not dry_run:
            path.unlink()
        console.print(f"{'would remove' if dry_run else 'removed'} {path}", soft_wrap=True, highlight=False)
    if not old:
        console.print(f"No raw delivery is older than {days} days.")
