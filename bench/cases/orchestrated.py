"""Through Dagster: `steerworks backfill` beside the same cell without Dagster, and the CPU for each request of both.

Machines change their speed from minute to minute, and Dagster's start alone takes more CPU than thousands of requests.
So only what is taken while requests are under way counts, and each run is compared with the one right beside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from bench.cases.pace import Pace, fixed, large
from bench.figures import Figures, Limit, Row, typical
from bench.run import Run, ask, audited, configure
from bench.server import serve
from bench.steerworks import backfill, home_environment
from bench.workload import Workload

MOST_CPU_RATIO = 1.1
"""Of the CPU for a request, through Dagster and without it."""
TRIALS = 4
"""Of the large cell, each with and without Dagster; the one comes first as often as the other."""
WITHOUT = " without Dagster"
"""Ends the names of figures of the loop by itself."""
CPU = "CPU ms a request"


def orchestrated(run: Run) -> Iterator[Row]:
    """Backfill a small cell once, for its start-up, and a large one several times, for what a request takes."""
    yield _trial(run, fixed, loop_first=True)
    trials = [_trial(run, large, loop_first=number % 2 == 0) for number in range(TRIALS)]
    yield typical(trials)
    pairs = [(row.ours[CPU], row.ours[CPU + WITHOUT]) for row in trials if {CPU, CPU + WITHOUT} <= row.ours.keys()]
    if pairs:
        yield Row("Dagster, a request", _compared(pairs), limits=(Limit("CPU ratio", MOST_CPU_RATIO),))


def _compared(pairs: list[tuple[float, float]]) -> Figures:
    """Compare CPU with and without Dagster, of trials; the least and the most ratio say how firm the median is."""
    ratios = [ours / theirs for ours, theirs in pairs]
    ours, theirs = (median(each) for each in zip(*pairs, strict=True))
    return {CPU: ours, CPU + WITHOUT: theirs, "CPU ratio": median(ratios), "least": min(ratios), "most": max(ratios)}


def _trial(run: Run, pace: Pace, loop_first: bool) -> Row:
    workload = Workload(run.size(pace.prompts))
    if loop_first:
        loop, loops_problem = run.loop(workload, pace.in_flight, pace.behaviour)
        figures, problem = _through_dagster(run, pace, workload)
    else:
        figures, problem = _through_dagster(run, pace, workload)
        loop, loops_problem = run.loop(workload, pace.in_flight, pace.behaviour)
    beside = {name + WITHOUT: loop[name] for name in ("first", "wall", "cpu", CPU) if name in loop}
    return Row(f"Dagster, {workload.prompts:,}", {**figures, **beside}, problem=problem or loops_problem)


def _through_dagster(run: Run, pace: Pace, workload: Workload) -> tuple[dict[str, float], str]:
    """Have `steerworks backfill` answer the one cell of a new home; return figures, and what went wrong."""
    home = run.fresh_home(workload)
    with serve(pace.behaviour) as server:
        configure(home, workload, server, pace.in_flight)
        asked = ask(server, backfill(), home_environment(home))
    figures = {**asked.figures, **audited(home, workload)}
    run.discard(home)
    return figures, asked.finished.problem
