"""Releases of HelpSteer2's size and of a million responses, built in full, beside a copy of their Parquet by DuckDB."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from bench.figures import Figures, Limit, Row
from bench.processes import Finished, python, run_well
from bench.processes import run as run_program
from bench.run import Run
from bench.steerworks import SCRIPTS

HELPSTEER2_TASKS, MILLION_TASKS = 10_681, 500_000
"""Of two responses each."""
SIZES = {
    HELPSTEER2_TASKS: (Limit("wall", 20),),
    MILLION_TASKS: (Limit("times a copy", 4), Limit("rss", 3072)),
}
FULL, TABLES_ALONE = "v1.0.0", "v2.0.0"
EXPLAIN = (str(SCRIPTS / "steerworks"), "explain")


def release(run: Run) -> Iterator[Row]:
    """Build releases with everything in them, and again without exports; then trace single rows back."""
    for size, limits in SIZES.items():
        tasks = run.size(size)
        folder = run.root / f"release-{tasks}"
        run_well(python("bench.campaign", str(folder), str(tasks)))
        yield _built(folder, FULL, f"release, {2 * tasks:,} responses", limits)
        yield _built(folder, TABLES_ALONE, f"no exports, {2 * tasks:,}", ())
        yield from _explained(folder, tasks)
        run.discard(folder)


def _built(folder: Path, version: str, case: str, limits: tuple[Limit, ...]) -> Row:
    ours = run_program(python("bench.clients.release", "build", str(folder), version))
    copied = run_program(python("bench.clients.release", "copy", str(folder), version))
    figures = {
        **_taken(ours),
        "times a copy": ours.wall / copied.wall,
        "times a copy's CPU": ours.cpu / copied.cpu,
        **json.loads(ours.output or "{}"),
    }
    others = {"bare": {**_taken(copied), **json.loads(copied.output or "{}")}}
    return Row(case, figures, others, limits, ours.problem or copied.problem)


def _explained(folder: Path, tasks: int) -> Iterator[Row]:
    """Ask the command line for the history of an id of each kind, as a page."""
    home = {"STEERWORKS_HOME": str(folder / "home"), "STEERWORKS_CONFIG": str(folder / "config")}
    number = tasks // 2
    task = f"t-{_hash(f'task{number}', 20)}"
    rating = json.loads(run_well([*EXPLAIN, task, "--json"], home))["ratings"][0]
    ids = {
        "response": f"r-{_hash(f'response{number}', 19)}1",
        "task": task,
        "prompt": f"p-{_hash(f'prompt{number}', 20)}",
        "annotation": f"{task}@{rating['response_id']}@{rating['annotator']}",
    }
    for kind, wanted in ids.items():
        asked = run_program([*EXPLAIN, wanted], home)
        yield Row(f"explain {kind}, {2 * tasks:,}", _taken(asked), limits=(Limit("wall", 1),), problem=asked.problem)


def _hash(text: str, digits: int) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()[:digits]


def _taken(finished: Finished) -> Figures:
    return {"wall": finished.wall, "cpu": finished.cpu, "rss": finished.rss}
