"""Answers one cell in a process of its own: `cell_process.py LAKE MODELS_JSON MODEL BATCH`, to be killed by a test."""

from __future__ import annotations

import sys
from pathlib import Path

from dagster_project.generation import SilentProgress, answer_cell
from dagster_project.lake import Lake
from dagster_project.settings import ModelsFile

if __name__ == "__main__":
    lake, models, model, batch = sys.argv[1:]
    answer_cell(Lake(Path(lake)), ModelsFile.model_validate_json(models), model, batch, SilentProgress())
