"""Through Dagster: `steerworks backfill` beside the same cell without Dagster; start-up, and CPU for each request."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from bench.cases.pace import Pace, fixed, large
from bench.figures import Limit, Row
from bench.run import Run, ask, audited, configure
from bench.server import serve
from bench.steerworks import backfill, home_environment
from bench.workload import Workload

MOST_CPU_RATIO = 1.1
"""Of the CPU for one request more, through Dagster and without it."""
TRIALS = 3
"""Of each, by turns, of which the one with the least CPU counts: what comes out is a difference of differences, and
machines change their speed from minute to minute."""
WITHOUT = " without Dagster"
"""Ends the names of figures of the loop by itself."""


def orchestrated(run: Run) -> Iterator[Row]:
    """Backfill a small and a large cell; what one request more takes follows from the two."""
    rows: list[Row] = []
    for pace in (fixed, large):
        rows.append(_beside_the_loop(run, pace))
        yield rows[-1]
    small, big = (row.ours for row in rows)
    more = big["sent"] - small["sent"]
    ours, theirs = ((big[name] - small[name]) / more * 1000 for name in ("cpu", "cpu" + WITHOUT))
    figures = {"CPU ms a request": ours, "CPU ms" + WITHOUT: theirs, "CPU ratio": ours / theirs}
    yield Row("Dagster, one request more", figures, limits=(Limit("CPU ratio", MOST_CPU_RATIO),))


def _beside_the_loop(run: Run, pace: Pace) -> Row:
    trials = [_trial(run, pace) for _ in range(TRIALS)]
    least = min(trials, key=lambda row: row.ours["cpu"])
    loop = min(trials, key=lambda row: row.ours["cpu" + WITHOUT]).ours
    without = {name: figure for name, figure in loop.items() if name.endswith(WITHOUT)}
    failed = [row for row in trials if row.problem or row.broken]
    return failed[0] if failed else replace(least, ours={**least.ours, **without})


def _trial(run: Run, pace: Pace) -> Row:
    workload = Workload(run.size(pace.prompts))
    loop, problem = run.loop(workload, pace.in_flight, pace.behaviour)
    home = run.fresh_home(workload)
    with serve(pace.behaviour) as server:
        configure(home, workload, server, pace.in_flight)
        asked = ask(server, backfill(), home_environment(home))
    figures = {**asked.figures, **audited(home, workload)}
    figures |= {name + WITHOUT: loop[name] for name in ("first", "wall", "cpu") if name in loop}
    run.discard(home)
    return Row(f"Dagster, {workload.prompts:,}", figures, problem=asked.finished.problem or problem)
