"""`steerworks release`, `steerworks publish` and `steerworks verify`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dagster_project.cli.launch import Launcher
from dagster_project.cli.terminal import open_console
from dagster_project.errors import SteerworksError
from dagster_project.releases import verify, yank_of_folder
from dagster_project.settings import Settings


def release(version: Annotated[str, typer.Argument(help="such as v1.0.0; described in config/releases/")]) -> None:
    """Build a release from the consensus of its campaigns; one that is there is verified."""
    settings = Settings.from_environment()
    settings.release(version)
    Launcher(settings).release(version)
    open_console().print(f"[green]✓[/] {settings.home.releases / version}", soft_wrap=True)


def publish(version: Annotated[str, typer.Argument(help="a release that was built, such as v1.0.0")]) -> None:
    """Publish a release on the Hugging Face Hub, as one commit and one tag; config/publishing.yaml says where."""
    settings = Settings.from_environment()
    settings.release(version)
    Launcher(settings).publish(version)
    open_console().print(
        f"[green]✓[/] {version} of {settings.publishing.repository} is on the Hub"
        f"{', private' if settings.publishing.private else ''}",
        soft_wrap=True,
    )


def verify_release(path: Annotated[Path, typer.Argument(help="a release's folder")]) -> None:
    """Check every file of a release against its manifest, and that it is not yanked."""
    if problems := verify(path):
        raise SteerworksError("\n".join(problems))
    if yanked := yank_of_folder(path):
        raise SteerworksError(f"every file of {path} is as its manifest says, but {yanked}.")
    open_console().print(f"[green]✓[/] every file of {path} is as its manifest says", soft_wrap=True)
