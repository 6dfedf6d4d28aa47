"""The agreement filter, its statistics and its baselines, from a million ratings on; what others take for a figure."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from bench.figures import Figures, Limit, Row
from bench.processes import Finished, python, run, run_well
from bench.ratings import ATTRIBUTES
from bench.run import Run

PEERS = "STEERWORKS_BENCH_PEERS"
"""Names the interpreter of an environment with the other libraries, if it is not this one."""
SIZES = (200_000, 2_000_000, 20_000_000)
"""Annotations; each is of five ratings."""
FULL_SIZES = (*SIZES, 200_000_000)
TARGET = 20_000_000
COMPARED = {"pandas": "kappa", "krippendorff": "alpha", "crowd-kit": None}
"""The other libraries, with the figure that must equal ours; crowd-kit's alpha is nominal."""


SMALL = {"alpha": 0.1, "kappa": 0.2, "dawid-skene": 1.0}
"""Figures of ratings in memory, with the seconds that they may take."""


def agreement(run: Run) -> Iterator[Row]:
    """Single figures beside their libraries; then filter and measure ever more annotations, beside one scan of them."""
    for figure, seconds in SMALL.items():
        yield _small(figure, seconds)
    before: Finished | None = None
    for size in FULL_SIZES if run.full else SIZES:
        annotations = run.size(size)
        folder = run.root / f"ratings-{annotations}"
        run_well(python("bench.ratings", str(folder), str(annotations)))
        ours, floor = _run("bench.clients.agreement", folder), _run("bench.clients.agreement", folder, "--floor")
        told = json.loads(ours.output or "{}")
        ratings = annotations * ATTRIBUTES
        figures = {**_times(ours), **told, "cpu µs a rating": ours.cpu / ratings * 1e6}
        if before is not None:
            figures["times the memory before"] = ours.rss / before.rss
        before = ours
        others = {"one scan": _times(floor)} | (_peers(folder, told) if size == SIZES[0] else {})
        limits = (Limit("wall", 30), Limit("rss", 4096)) if size == TARGET else ()
        yield Row(f"agreement, {ratings / 1e6:,.0f}M ratings", figures, others, limits, ours.problem)
        run.discard(folder)


def _small(figure: str, seconds: float) -> Row:
    """Return what one figure takes, and how far it is, relatively, from the library's."""
    module = "bench.clients.agreement_small"
    finished = run([sys.executable, "-m", module, figure, "ours"])
    library = run([os.environ.get(PEERS, sys.executable), "-m", module, figure, "library"])
    ours = json.loads(finished.output or "{}")
    theirs = json.loads(library.output or "null")
    others: dict[str, Figures] = {"library (not installed)": {}}
    if theirs is not None:
        others = {"library": {**theirs, "times ours": theirs["seconds"] / ours["seconds"]}}
        ours["apart"] = abs(theirs["figure"] - ours["figure"]) / abs(theirs["figure"])
    limits = (Limit("seconds", seconds), *([Limit("apart", 1e-9)] if theirs else []))
    return Row(
        f"agreement, {figure}", {**ours, "wall": finished.wall, "rss": finished.rss}, others, limits, finished.problem
    )


def _peers(folder: Path, ours: Figures) -> dict[str, Figures]:
    """Return what the other libraries take for one figure of one attribute, and how far it is from ours."""
    found: dict[str, Figures] = {}
    for name, figure in COMPARED.items():
        command = [os.environ.get(PEERS, sys.executable), "-m", "bench.clients.agreement_peers", name, str(folder)]
        finished = run(command)
        value = json.loads(finished.output or "null")
        if value is None:
            found[f"{name} (not installed)"] = {}
            continue
        equal = {} if figure is None else {"apart": abs(value - ours[figure])}
        found[name] = {**_times(finished), "figure": value, **equal}
    return found


def _run(module: str, folder: Path, *options: str) -> Finished:
    return run(python(module, str(folder), *options))


def _times(finished: Finished) -> dict[str, float]:
    return {"wall": finished.wall, "cpu": finished.cpu, "rss": finished.rss}
