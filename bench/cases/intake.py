"""Intake: a million rows as one vendor delivers them, beside a plain read of the same file."""

from __future__ import annotations

import json
from collections.abc import Iterator

from bench.figures import Limit, Row
from bench.processes import python, run_well
from bench.processes import run as run_program
from bench.run import Run

ROWS = 1_000_000
MOST_TIMES = 4


def intake(run: Run) -> Iterator[Row]:
    """Take in one JSON Lines file of wide rows, five ratings each."""
    rows = run.size(ROWS)
    folder = run.root / "intake"
    file = run_well(python("bench.clients.intake", "prepare", str(folder), str(rows))).strip()
    plain = run_program(python("bench.clients.plain_polars", file))
    taken = run_program(python("bench.clients.intake", "take", str(folder)))
    report = json.loads(taken.output) if not taken.problem else {}
    figures = {"wall": taken.wall, "cpu": taken.cpu, "rss": taken.rss, "times a plain read": taken.wall / plain.wall}
    figures |= {"lost": rows - report.get("accepted", 0), "stale": 0}
    others = {"bare": {"wall": plain.wall, "cpu": plain.cpu, "rss": plain.rss}}
    limits = (Limit("times a plain read", MOST_TIMES),)
    yield Row(f"intake, {rows:,} rows", figures, others, limits, taken.problem or plain.problem)
