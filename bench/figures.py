"""What a case found: figures by name, and whether its target was reached.

Belongs here: the shape of a result, and putting repetitions together. Does not belong here: how it is shown (`report`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median

Figures = Mapping[str, float]
"""By name: ``wall`` and ``cpu`` in seconds, ``rss`` in MB, counts, and what else a case has to say."""

WORST = frozenset({"429s", "re-sent", "most re-sent a kill", "mean re-sent a kill", "lost", "stale"})
"""Of repetitions these keep the worst; of the others the median counts."""
DEPENDS_ON_SIZE = frozenset({"wall", "cpu", "rss", "429s", "times a plain read", "times a copy"})
"""Targets for these hold for cases at full size only."""
UNITS = {"wall": " s", "cpu": " s", "rss": " MB"}


@dataclass(frozen=True)
class Limit:
    """A figure's most, and perhaps its least, to reach."""

    figure: str
    most: float
    least: float | None = None

    def holds(self, figures: Figures) -> bool:
        """Say whether the figure is within it."""
        value = figures.get(self.figure)
        return value is not None and (self.least is None or value >= self.least) and value <= self.most

    def __str__(self) -> str:
        sign = "=" if self.least == self.most else "≤"
        return f"{self.figure} {sign} {self.most:g}{UNITS.get(self.figure, '')}"


def exactly(figure: str, value: float) -> Limit:
    """Return a limit that only one value keeps."""
    return Limit(figure, value, value)


@dataclass(frozen=True)
class Row:
    """One line of the report.

    Attributes:
        case: what was done.
        ours: of Steerworks.
        others: of the clients beside it, by name; ``bare`` is the aiohttp one.
        limits: the target. That nothing is lost or stale is always part of it.
        problem: why Steerworks' process failed, if it did.
    """

    case: str
    ours: Figures
    others: Mapping[str, Figures] = field(default_factory=dict)
    limits: Sequence[Limit] = ()
    problem: str = ""

    @property
    def broken(self) -> bool:
        """Whether something was lost or is stale, which no benchmark may pass over."""
        return bool(self.ours.get("lost") or self.ours.get("stale"))

    def reached(self, scale: float) -> bool | None:
        """Say whether the target was reached; None if there is none, or none at this scale."""
        if self.broken or self.problem:
            return False
        judged = [limit for limit in self.limits if scale == 1 or limit.figure not in DEPENDS_ON_SIZE]
        if judged:
            return all(limit.holds(self.ours) for limit in judged)
        return True if "lost" in self.ours and not self.limits else None


def typical(repetitions: Sequence[Row]) -> Row:
    """Return the medians of several runs of one row, and the worst of what must not happen at all."""
    return replace(
        repetitions[-1],
        ours=_typical([row.ours for row in repetitions]),
        others={
            name: _typical([row.others[name] for row in repetitions if name in row.others])
            for name in repetitions[-1].others
        },
        problem=next((row.problem for row in repetitions if row.problem), ""),
    )


def _typical(repetitions: Sequence[Figures]) -> Figures:
    names = dict.fromkeys(name for figures in repetitions for name in figures)
    values = {name: [figures[name] for figures in repetitions if name in figures] for name in names}
    return {name: max(found) if name in WORST else median(found) for name, found in values.items()}
