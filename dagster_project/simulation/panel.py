"""The twelve simulated raters: who they are, and which of them rates what.

Belongs here: the panel and its shifts. Does not belong here: how a response is judged (`judgement`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from dagster_project.identity import unit_interval


@dataclass(frozen=True)
class Worker:
    """One rater. On a scale of five levels ``severity`` and ``noise`` are in levels.

    ``severity`` is taken off every rating; ``noise`` is the standard deviation of a rating's error;
    ``carelessness`` is the share of tasks that are rated by dice alone; ``copies`` names the rater
    whose ratings are handed in as one's own; ``straight_lines`` gives one number to all of a task.
    The ``experienced`` are sent first where a task wants further raters.
    """

    name: str
    severity: float = 0.0
    noise: float = 0.5
    carelessness: float = 0.0
    copies: str | None = None
    straight_lines: bool = False
    experienced: bool = False


PANEL = (
    Worker("Simulated Rater 01", severity=-0.2, noise=0.6, experienced=True),
    Worker("Simulated Rater 02", severity=0.1, noise=0.65, experienced=True),
    Worker("Simulated Rater 03", severity=0.0, noise=0.6),
    Worker("Simulated Rater 04", severity=0.2, noise=0.7, experienced=True),
    Worker("Simulated Rater 05", severity=-0.1, noise=0.65, experienced=True),
    Worker("Simulated Rater 06", severity=0.0, noise=0.75, carelessness=0.03, experienced=True),
    Worker("Simulated Rater 07", severity=0.15, noise=0.6, experienced=True),
    Worker("Simulated Rater 08", severity=-0.15, noise=0.65, experienced=True),
    Worker("Simulated Rater 09", carelessness=1.0),
    Worker("Simulated Rater 10", severity=1.6, noise=0.5),
    Worker("Simulated Rater 11", copies="Simulated Rater 03"),
    Worker("Simulated Rater 12", straight_lines=True),
)
BY_NAME = {worker.name: worker for worker in PANEL}


@dataclass(frozen=True)
class Demand:
    """How many raters a task wants in a round, and who must not be among them."""

    task_id: str
    round: int
    annotators: int
    excluded: frozenset[str]


def assign(demands: Sequence[Demand], seed: int) -> dict[str, list[Worker]]:
    """Return the raters of each task: those with the least work so far, ties by a seeded hash.

    Who copies works the shifts of the one who is copied, as far as a task has room for both, and
    is sent elsewhere only if nobody else is left.
    """
    load: Counter[str] = Counter()
    raters: dict[str, list[Worker]] = {}
    for demand in sorted(demands, key=lambda demand: unit_interval(seed, "shift", demand.task_id)):
        free = [worker for worker in PANEL if worker.name not in demand.excluded]
        by_need = sorted(
            free,
            key=lambda worker: (
                worker.copies is not None,
                demand.round > 1 and not worker.experienced,
                load[worker.name],
                unit_interval(seed, "pick", demand.task_id, worker.name),
            ),
        )
        chosen = _with_companion(by_need[: demand.annotators], free)
        load.update(worker.name for worker in chosen)
        raters[demand.task_id] = sorted(chosen, key=lambda worker: worker.name)
    return raters


def _with_companion(chosen: list[Worker], free: Collection[Worker]) -> list[Worker]:
    """Put a copier in the place of the last of the others, where the one who is copied is chosen."""
    names = [worker.name for worker in chosen]
    for worker in free:
        if worker.copies in names and worker not in chosen:
            others = [other for other in chosen if other.name != worker.copies]
            return [other for other in chosen if other not in others[-1:]] + [worker] if others else chosen
    return chosen
