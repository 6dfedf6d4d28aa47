"""Prompts: ever more of them through intake, filters and the search for duplicates, then a later batch."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.figures import Figures, Limit, Row
from bench.processes import Finished, python, run, run_well
from bench.run import Run

SIZES = (100_000, 300_000, 1_000_000)
ADDED = 10_000
BESIDE_UP_TO = 100_000
"""The plain loop takes minutes, and gigabytes, beyond."""
LIMITS = (Limit("wall", 600), Limit("together", 4096), Limit("missed", 0.1), Limit("wrongly out", 0.01))
KINDS = ("copy", "capitals", "changed", "code", "address", "item")


def prompts(run: Run) -> Iterator[Row]:
    """Curate 100,000, 300,000 and 1,000,000 prompts, and 10,000 more each time."""
    for size in SIZES:
        count, added = run.size(size), run.size(ADDED)
        folder = run.root / f"prompts-{count}"
        folder.mkdir()
        run_well(python("bench.prompts", str(folder), str(count), str(added)))
        ours, problem = _curated(folder, count, added)
        others = {"datasketch": _plain_loop(folder, count)} if size <= BESIDE_UP_TO else {}
        yield Row(f"prompts, {count:,}", ours, others, LIMITS if size == SIZES[-1] else (), problem)
        shutil.rmtree(folder)


def _curated(folder: Path, count: int, added: int) -> tuple[Figures, str]:
    finished = run(python("bench.clients.curation", str(folder)))
    figures: dict[str, Any] = {**_taken(finished), **json.loads(finished.output or "{}")}
    if not finished.problem:
        seconds = {
            name: figures.pop(f"{name} deliver") + figures[f"{name} intake"] + figures[f"{name} curate"]
            for name in ("prompts", "added")
        }
        found = {kind: figures.pop(f"found {kind}") for kind in (*KINDS, "fresh")}
        figures |= {
            "wall": seconds["prompts"],
            "µs a prompt": seconds["prompts"] / count * 1e6,
            "CPU µs a prompt": figures.pop("prompts cpu") / count * 1e6,
            "µs an added prompt": seconds["added"] / added * 1e6,
            "CPU µs an added prompt": figures.pop("added cpu") / added * 1e6,
            "missed": 1 - min(found[kind] for kind in KINDS),
            "wrongly out": 1 - found["fresh"],
        }
    return figures, finished.problem


def _plain_loop(folder: Path, count: int) -> Figures:
    finished = run(python("bench.clients.datasketch_loop", str(folder / "prompts.jsonl")))
    return {**_taken(finished), "µs a prompt": finished.wall / count * 1e6, **json.loads(finished.output or "{}")}


def _taken(finished: Finished) -> dict[str, float]:
    return {"wall": finished.wall, "cpu": finished.cpu, "rss": finished.rss}
