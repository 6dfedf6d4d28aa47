"""Speed and pace: one cell from nothing, beside other clients on a server that behaves the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bench.figures import Limit, Row, exactly
from bench.run import Run
from bench.server import Behaviour
from bench.workload import Workload

LATENCY = 0.2
STORM = {
    "latency": LATENCY,
    "p_slow": 0.01,
    "slow_seconds": 5,
    "p429": 0.05,
    "retry_after": 1,
    "p500": 0.05,
    "p400": 0.01,
    "p_truncated": 0.01,
    "p_reset": 0.01,
    "requests_per_second": 800,
}
"""All faults together."""


@dataclass(frozen=True)
class Pace:
    """A case: so many prompts, so many in flight, on such a server."""

    case: str
    behaviour: Behaviour
    limits: tuple[Limit, ...] = ()
    prompts: int = 2000
    in_flight: int = 100

    def __call__(self, run: Run) -> Iterator[Row]:
        """Ask, and yield the one row."""
        workload = Workload(run.size(self.prompts))
        ours, problem = run.loop(workload, self.in_flight, self.behaviour)
        yield Row(self.case, ours, run.others(workload, self.in_flight, self.behaviour), self.limits, problem)


fixed = Pace("fixed latency", {"latency": LATENCY}, (Limit("wall", 4.5), Limit("cpu", 2)))
large = Pace(
    "20,000, 200 in flight",
    {"latency": LATENCY},
    (Limit("wall", 24), Limit("cpu", 12), Limit("rss", 150)),
    prompts=20_000,
    in_flight=200,
)
tail = Pace("1% take 5 s", {"latency": LATENCY, "p_slow": 0.01, "slow_seconds": 5}, (Limit("wall", 9),))
faults = Pace(
    "5% 429, 5% 500", {"latency": LATENCY, "p429": 0.05, "retry_after": 1, "p500": 0.05}, (Limit("wall", 7.5),)
)
cap = Pace(
    "cap of 200 a second",
    {"latency": LATENCY, "requests_per_second": 200, "retry_after": 1},
    (Limit("wall", 10.5), Limit("429s", 40)),
)
refused = Pace("1% refused with 400", {"latency": LATENCY, "p400": 0.01}, (exactly("re-sent", 0),))
storm = Pace("storm of 20,000", STORM, prompts=20_000, in_flight=200)
