"""`steerworks ui`: the Dagster UI on this home."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from dagster_project.cli.launch import prepare_dagster_home
from dagster_project.settings import PROJECT_ROOT, Settings


def ui(
    host: Annotated[str, typer.Option(help="address to listen on; the UI has no password")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="port to listen on")] = 3000,
) -> None:
    """Start the Dagster UI and the daemon that runs sensors and schedules."""
    settings = Settings.from_environment()
    prepare_dagster_home(settings.home)
    os.environ["STEERWORKS_HOME"] = str(settings.home.root)
    os.environ["STEERWORKS_CONFIG"] = str(settings.folder)
    os.chdir(PROJECT_ROOT)
    dagster = Path(sys.executable).with_name("dagster")
    arguments = ["dev", "-w", "workspace.yaml", "-h", host, "-p", str(port)]
    os.execv(dagster, [str(dagster), *arguments])  # noqa: S606 - fixed program, no shell
