"""SIGKILL: one cell whose process is killed again and again, and started again each time until it is done."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import repeat
from pathlib import Path

from bench.cases.pace import LATENCY, STORM
from bench.figures import Limit, Row
from bench.processes import Finished, Running
from bench.run import Run, audited, configure, steerworks_client
from bench.server import POLL_SECONDS, Behaviour, Server, serve
from bench.workload import Workload

SEED = 20240612
KILLS = 20
MOST_KILLS = 100
STORM_SECONDS = (2.0, 4.0)
"""Between the first reply to a process and its end in the storm."""


@dataclass(frozen=True)
class Moment:
    """When to kill: the server has seen so many requests, and then so many seconds went by."""

    distinct: float
    seconds: float


@dataclass
class Life:
    """What the processes that worked on one cell took together, and what was sent again after each kill."""

    legs: list[Finished] = field(default_factory=list)
    resent: list[int] = field(default_factory=list)
    kills: int = 0

    def take(self, server: Server, leg: Finished) -> None:
        """Take in a process that ended; its last requests are given time to be counted."""
        time.sleep(LATENCY + 0.1)
        self.legs.append(leg)
        self.resent.append(server.counters().resent)


def kill(run: Run) -> Iterator[Row]:
    """Kill at random moments, spread over the progress of the cell."""
    chance = random.Random(SEED)  # noqa: S311 - a schedule, no secret
    workload, in_flight = Workload(run.size(2000)), 100
    # Up to when the last requests are on their way: after that the process may end before it is killed.
    seen = sorted(chance.uniform(0, max(1, workload.prompts - in_flight)) for _ in range(KILLS))
    moments = iter([Moment(distinct, chance.uniform(0, LATENCY)) for distinct in seen])
    figures, problem = _live(run, workload, in_flight, {"latency": LATENCY}, moments)
    limits = (Limit("most re-sent a kill", in_flight),)
    yield Row(f"SIGKILL, {KILLS} times", figures, limits=limits, problem=problem)


def storm_kill(run: Run) -> Iterator[Row]:
    """Kill every few seconds in the storm."""
    chance = random.Random(SEED)  # noqa: S311 - a schedule, no secret
    moments = (Moment(0, chance.uniform(*STORM_SECONDS)) for _ in repeat(None, MOST_KILLS))
    figures, problem = _live(run, Workload(run.size(20_000)), 200, STORM, moments)
    # Requests that wait for their next try when the process dies blur what a single kill cost.
    del figures["most re-sent a kill"]
    yield Row("storm with SIGKILLs", figures, limits=(Limit("mean re-sent a kill", 200),), problem=problem)


def _live(
    run: Run, workload: Workload, in_flight: int, behaviour: Behaviour, moments: Iterator[Moment]
) -> tuple[dict[str, float], str]:
    """Kill and start again until the cell is done; return the figures of all processes, and what went wrong."""
    folder = run.fresh(workload)
    with serve(behaviour) as server:
        configure(folder, workload, server, in_flight)
        life = _lived(server, folder, workload, moments)
        counters = server.counters()
    before = [0, *life.resent]
    figures = {
        "wall": sum(leg.wall for leg in life.legs),
        "cpu": sum(leg.cpu for leg in life.legs),
        "rss": max(leg.rss for leg in life.legs),
        "sent": counters.requests,
        "429s": counters.throttled,
        "re-sent": counters.resent,
        "kills": life.kills,
        "mean re-sent a kill": counters.resent / max(1, life.kills),
        "most re-sent a kill": max(now - then for then, now in zip(before, life.resent, strict=False)),
        **audited(folder, workload),
    }
    run.discard(folder)
    return figures, life.legs[-1].problem


def _lived(server: Server, folder: Path, workload: Workload, moments: Iterator[Moment]) -> Life:
    life = Life()
    while True:
        moment = next(moments, None)
        with Running(steerworks_client(folder, workload)) as running:
            killed = moment is not None and _killed(server, running, moment)
            life.take(server, running.wait())
        if not killed:
            return life
        life.kills += 1


def _killed(server: Server, running: Running, moment: Moment) -> bool:
    """Kill a process at its moment; return False if it ended before."""
    replied = server.counters().requests
    due: float | None = None
    while not running.has_ended():
        counters = server.counters()
        now = time.perf_counter()
        if due is None and counters.requests > replied and counters.distinct >= moment.distinct:
            due = now + moment.seconds
        if due is not None and now >= due:
            running.kill()
            return True
        time.sleep(POLL_SECONDS)
    return False
