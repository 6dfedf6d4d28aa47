"""Through Dagster: `steerworks backfill` beside the same cell without Dagster; start-up, and CPU for each request."""

from __future__ import annotations

from collections.abc import Iterator

from bench.cases.pace import fixed, large
from bench.figures import Figures, Limit, Row
from bench.run import Run, ask, audited, configure
from bench.server import serve
from bench.steerworks import backfill, home_environment
from bench.workload import Workload

MOST_CPU_RATIO = 1.1
"""Of the CPU for one request more, through Dagster and without it."""


def orchestrated(run: Run) -> Iterator[Row]:
    """Backfill a small and a large cell; what one request more takes follows from the two."""
    through: list[Figures] = []
    without: list[Figures] = []
    for pace in (fixed, large):
        workload = Workload(run.size(pace.prompts))
        key = (workload.prompts, pace.in_flight)
        loop = run.loops.get(key) or run.loop(workload, pace.in_flight, pace.behaviour)[0]
        row = _backfilled(run, workload, pace.in_flight, loop)
        through.append(row.ours)
        without.append(loop)
        yield row
    more = through[1]["sent"] - through[0]["sent"]
    ours, theirs = ((pair[1]["cpu"] - pair[0]["cpu"]) / more * 1000 for pair in (through, without))
    figures = {"CPU ms a request": ours, "without Dagster": theirs, "CPU ratio": ours / theirs}
    yield Row("Dagster, one request more", figures, limits=(Limit("CPU ratio", MOST_CPU_RATIO),))


def _backfilled(run: Run, workload: Workload, in_flight: int, loop: Figures) -> Row:
    home = run.fresh_home(workload)
    with serve({"latency": fixed.behaviour["latency"]}) as server:
        configure(home, workload, server, in_flight)
        asked = ask(server, backfill(), home_environment(home))
    figures = {**asked.figures, **audited(home, workload)}
    figures |= {f"{name} without Dagster": loop[name] for name in ("first", "wall", "cpu") if name in loop}
    run.discard(home)
    return Row(f"Dagster, {workload.prompts:,}", figures, problem=asked.finished.problem)
