"""Memory: the peak of one cell, from ten thousand requests on."""

from __future__ import annotations

from collections.abc import Iterator

from bench.figures import Limit, Row
from bench.run import Run
from bench.workload import Workload

IN_FLIGHT = 100
SIZES = (10_000, 100_000)
FULL_SIZES = (*SIZES, 1_000_000)
MOST_GROWTH = 1.2
"""What still counts as flat, against the smallest size."""


def memory(run: Run) -> Iterator[Row]:
    """Answer ever larger cells at no latency."""
    smallest: float | None = None
    for size in FULL_SIZES if run.full else SIZES:
        workload = Workload(run.size(size))
        figures, problem = run.loop(workload, IN_FLIGHT, {"latency": 0})
        smallest = smallest or figures["rss"]
        figures["rss growth"] = figures["rss"] / smallest
        limits = (Limit("rss growth", MOST_GROWTH),) if size > SIZES[0] else ()
        yield Row(f"memory, {workload.prompts:,}", figures, limits=limits, problem=problem)
