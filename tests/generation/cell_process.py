"""Answers one cell in a process of its own: `cell_process.py LAKE ADDRESS`, to be killed by a test."""

from __future__ import annotations

import sys
from pathlib import Path

from dagster_project.generation import answer_cell
from dagster_project.lake import Lake
from tests.generation.cells import BATCH, Recorder, loopback_models

if __name__ == "__main__":
    answer_cell(Lake(Path(sys.argv[1])), loopback_models(sys.argv[2], {"max_in_flight": 8}), "m", BATCH, Recorder())
