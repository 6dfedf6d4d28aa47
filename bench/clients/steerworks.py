"""Steerworks without Dagster: `python -m bench.clients.steerworks FOLDER MODEL BATCH` answers one cell."""

from __future__ import annotations

import sys
from pathlib import Path

from dagster_project.generation import SilentProgress, answer_cell
from dagster_project.lake import Lake
from dagster_project.settings import Home, Settings

if __name__ == "__main__":
    folder, model, batch = sys.argv[1:]
    settings = Settings(Path(folder) / "config", Home(Path(folder)))
    answer_cell(Lake(settings.home.lake), settings.models, model, batch, SilentProgress())
