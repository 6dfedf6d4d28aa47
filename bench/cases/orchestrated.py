"""Through Dagster: `steerworks backfill` beside the same cell without Dagster, and the CPU for each request of both.

Machines change their speed from minute to minute, and Dagster's start alone takes more CPU than thousands of requests.
So only what is taken while requests are under way is compared, of two programs that run at the same time, each against
a server of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

from bench.cases.pace import Pace, fixed, large
from bench.figures import Figures, Limit, Row, typical
from bench.run import CPU, Run, ask, audited, configure
from bench.server import serve
from bench.steerworks import backfill, home_environment
from bench.workload import Workload

MOST_CPU_RATIO = 1.1
"""Of the CPU for a request, through Dagster and without it."""
TRIALS = 3
WITHOUT = " without Dagster"
"""Ends the names of figures of the loop by itself."""


def orchestrated(run: Run) -> Iterator[Row]:
    """Backfill a small cell, for its start-up, and a large one beside the loop by itself, for what a request takes."""
    yield _alone(run, fixed)
    trials = [_at_once(run, large) for _ in range(TRIALS)]
    yield typical(trials)
    pairs = [(row.ours[CPU], row.ours[CPU + WITHOUT]) for row in trials if {CPU, CPU + WITHOUT} <= row.ours.keys()]
    if pairs:
        yield Row("Dagster, a request", _compared(pairs), limits=(Limit("CPU ratio", MOST_CPU_RATIO),))


def _compared(pairs: list[tuple[float, float]]) -> Figures:
    """Compare CPU with and without Dagster, of trials; the least and the most ratio say how firm the median is."""
    ratios = [ours / theirs for ours, theirs in pairs]
    ours, theirs = (median(each) for each in zip(*pairs, strict=True))
    return {CPU: ours, CPU + WITHOUT: theirs, "CPU ratio": median(ratios), "least": min(ratios), "most": max(ratios)}


def _alone(run: Run, pace: Pace) -> Row:
    workload = Workload(run.size(pace.prompts))
    loop, loops_problem = run.loop(workload, pace.in_flight, pace.behaviour)
    figures, problem = _through_dagster(run, pace, workload, run.fresh_home(workload))
    return _row(workload, figures, loop, ("first", "wall", "cpu"), problem or loops_problem)


def _at_once(run: Run, pace: Pace) -> Row:
    workload = Workload(run.size(pace.prompts))
    home = run.fresh_home(workload)
    with ThreadPoolExecutor(2) as both:
        beside = both.submit(run.loop, workload, pace.in_flight, pace.behaviour)
        through = both.submit(_through_dagster, run, pace, workload, home)
        (loop, loops_problem), (figures, problem) = beside.result(), through.result()
    return _row(workload, figures, loop, (CPU,), problem or loops_problem)


def _row(workload: Workload, figures: Figures, loop: Figures, beside: tuple[str, ...], problem: str) -> Row:
    without = {name + WITHOUT: loop[name] for name in beside if name in loop}
    return Row(f"Dagster, {workload.prompts:,}", {**figures, **without}, problem=problem)


def _through_dagster(run: Run, pace: Pace, workload: Workload, home: Path) -> tuple[Figures, str]:
    """Have `steerworks backfill` answer the one cell of a new home; return figures, and what went wrong."""
    with serve(pace.behaviour) as server:
        configure(home, workload, server, pace.in_flight)
        asked = ask(server, backfill(), home_environment(home))
    figures = {**asked.figures, **audited(home, workload)}
    run.discard(home)
    return figures, asked.finished.problem
