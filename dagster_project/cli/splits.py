"""`steerworks splits`: what is in train and what in validation, and that it never changed."""

from __future__ import annotations

from typing import Annotated

import typer

from dagster_project.cli.terminal import open_console
from dagster_project.errors import SteerworksError
from dagster_project.lake import Lake
from dagster_project.releases import built_versions, read_manifest, split_conflicts
from dagster_project.settings import Settings


def splits(
    check: Annotated[
        bool, typer.Option("--check", help="fail if any prompt or cluster is on both sides, in any releases")
    ] = False,
) -> None:
    """Show the size of each release's splits; with --check, prove that no prompt ever changed sides."""
    settings, console = Settings.from_environment(), open_console()
    versions = built_versions(settings.home)
    for version in versions:
        rows = read_manifest(settings.home.releases / version).rows
        train, validation = (rows[f"data/{split}.parquet"] for split in ("train", "validation"))
        console.print(f"{version}: {train:,} responses in train, {validation:,} in validation", highlight=False)
    if not check:
        return
    if conflicts := split_conflicts(settings.home, Lake(settings.home.lake)):
        raise SteerworksError("\n".join(conflicts))
    console.print(f"[green]✓[/] no prompt and no cluster is on both sides, over {len(versions)} releases")
