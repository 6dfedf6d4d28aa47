"""Intake: a million rows as one vendor delivers them, beside a plain read of the same file; and a file of 5 GB."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

from bench.figures import Limit, Row
from bench.processes import python, run_well
from bench.processes import run as run_program
from bench.run import Run

ROWS, ANNOTATORS = 1_000_000, 3
MOST_TIMES = 4
LARGE_ROWS, LARGE_ANNOTATORS = 13_200_000, 40
"""A file of 5 GB on as many tasks as the smaller one has: whatever memory it takes beyond that is for its size."""
MOST_MB = 700


def intake(run: Run) -> Iterator[Row]:
    """Take in one JSON Lines file of wide rows, five ratings each; with ``--full`` one of 5 GB as well."""
    yield _beside_a_plain_read(run)
    if run.full:
        yield _large(run)


def _beside_a_plain_read(run: Run) -> Row:
    rows = run.size(ROWS)
    folder, file = _prepared(run, "intake", rows, ANNOTATORS)
    plain = run_program(python("bench.clients.plain_polars", str(file)))
    row = _taken(f"intake, {rows:,} rows", folder, rows)
    ratios = {
        "times a plain read": row.ours["wall"] / plain.wall,
        "times its cpu": row.ours["cpu"] / plain.cpu,
    }
    others = {"bare": {"wall": plain.wall, "cpu": plain.cpu, "rss": plain.rss}}
    limits = (Limit("times a plain read", MOST_TIMES),)
    return Row(row.case, {**row.ours, **ratios}, others, limits, row.problem or plain.problem)


def _large(run: Run) -> Row:
    rows = run.size(LARGE_ROWS)
    folder, file = _prepared(run, "intake-large", rows, LARGE_ANNOTATORS)
    gigabytes = file.stat().st_size / 1e9
    row = _taken(f"intake, {gigabytes:.1f} GB", folder, rows)
    run.discard(folder)
    return Row(row.case, row.ours, limits=(Limit("rss", MOST_MB),), problem=row.problem)


def _prepared(run: Run, name: str, rows: int, annotators: int) -> tuple[Path, Path]:
    folder = run.root / name
    shutil.rmtree(folder, ignore_errors=True)
    file = run_well(python("bench.clients.intake", "prepare", str(folder), str(rows), str(annotators)))
    return folder, Path(file.strip())


def _taken(case: str, folder: Path, rows: int) -> Row:
    taken = run_program(python("bench.clients.intake", "take", str(folder)))
    report = json.loads(taken.output) if not taken.problem else {}
    figures = {"wall": taken.wall, "cpu": taken.cpu, "rss": taken.rss}
    return Row(case, {**figures, "lost": rows - report.get("accepted", 0), "stale": 0}, problem=taken.problem)
