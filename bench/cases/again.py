"""Running again: exactly what changed is asked, and no answer to an earlier request stays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from bench.cases.pace import LATENCY
from bench.figures import Row, exactly
from bench.processes import Running
from bench.run import Asked, Run, audited, configure, prepare, steerworks_client
from bench.server import Counters, Server, serve
from bench.workload import Workload

IN_FLIGHT = 100
EDITED = 10


def again(run: Run) -> Iterator[Row]:
    """Fill a cell, then run on it unchanged, with a prompt added, with prompts edited, with longer answers allowed."""
    first = Workload(run.size(2000))
    added = replace(first, prompts=first.prompts + 1)
    edited = replace(added, edited=EDITED)
    steps = {
        "again, unchanged": (first, 0),
        "again, 1 prompt added": (added, 1),
        f"again, {EDITED} prompts edited": (edited, EDITED),
        "again, max_tokens raised": (replace(edited, max_tokens=2 * first.max_tokens), edited.prompts),
    }
    folder = run.fresh(first)
    with serve({"latency": LATENCY}) as server:
        configure(folder, first, server, IN_FLIGHT)
        _ask_on(server, steerworks_client(folder, first))
        for case, (workload, changed) in steps.items():
            prepare(folder, workload)
            configure(folder, workload, server, IN_FLIGHT)
            asked = _ask_on(server, steerworks_client(folder, workload))
            figures = {**asked.figures, **audited(folder, workload)}
            yield Row(case, figures, limits=(exactly("sent", changed),), problem=asked.finished.problem)
    run.discard(folder)


def _ask_on(server: Server, command: list[str]) -> Asked:
    """Run a client on a server that has served others; the counters are of this one alone."""
    before = server.counters()
    with Running(command) as running:
        finished = running.wait()
    after = server.counters()
    statuses = {name: count - before.statuses.get(name, 0) for name, count in after.statuses.items()}
    counted = Counters(
        after.requests - before.requests, after.distinct - before.distinct, statuses, after.max_in_flight
    )
    return Asked(finished, counted)
