"""Loading the definitions, as each process of Dagster does before anything else, beside importing Dagster alone."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from bench.figures import Figures, Limit, Row
from bench.processes import Finished, run_well
from bench.processes import run as run_program
from bench.run import Run

LOAD = "from dagster_project.definitions import build_defs; build_defs()"
DAGSTER = "import dagster"


def definitions(run: Run) -> Iterator[Row]:
    """Load the definitions of the clone's own configuration in a fresh process."""
    home = {"STEERWORKS_HOME": str(run.root / "definitions")}
    # The first load of a fresh clone compiles its modules.
    run_well(_program(LOAD), home)
    alone, ours = run_program(_program(DAGSTER), home), run_program(_program(LOAD), home)
    yield Row(
        "definitions",
        {**_taken(ours), "times Dagster's CPU": ours.cpu / alone.cpu},
        {"bare": _taken(alone)},
        (Limit("wall", 2),),
        ours.problem or alone.problem,
    )


def _program(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def _taken(finished: Finished) -> Figures:
    return {"wall": finished.wall, "cpu": finished.cpu, "rss": finished.rss}
