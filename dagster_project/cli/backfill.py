"""`steerworks backfill`: fill the missing cells of models × prompt batches, and no others."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from dagster_project.cli.launch import Launcher
from dagster_project.cli.progress import TerminalProgress, TerminalProgressResource
from dagster_project.errors import SteerworksError
from dagster_project.settings import Settings


def backfill(
    models: Annotated[
        list[str] | None, typer.Argument(help="models to fill; all that are configured if left out")
    ] = None,
    max_usd: Annotated[float | None, typer.Option(help="stop asking a model when it has cost this much")] = None,
) -> None:
    """Have models answer every selected batch that they have not answered yet."""
    settings, console = Settings.from_environment(), Console()
    known = sorted(settings.models.models)
    if unknown := sorted(set(models or []) - set(known)):
        raise SteerworksError(
            f"{settings.folder / 'models.yaml'} has no model {', '.join(unknown)}; it has: {', '.join(known)}."
        )
    with TerminalProgress(console) as bars:
        launcher = Launcher(settings, TerminalProgressResource(bars))
        ranges = launcher.missing_responses(models or known)
        for first, last in ranges:
            launcher.responses_in_range(first, last, max_usd)
            console.print(f"[green]✓[/] {first}" + (f" … {last}" if last != first else ""))
    if not ranges:
        console.print("Nothing is missing: every model has answered every selected batch.")
