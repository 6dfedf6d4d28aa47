"""The money of one run, in equal parts for the models that it asks at the same time; what one leaves, others get.

Answers are to be compared, so a model that is fast or dear must not take the money for what the others are to answer.

Belongs here: how much a model may take. Does not belong here: the ledgers that outlive a run (`ledger`), and waiting
for money (`budget`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from dagster_project.generation.limits.ledger import MoneyLimit

ROUNDING = 1e-9
"""Amounts that differ by less are the same: sums of them do not come out even."""


@dataclass
class Purse:
    """The money of one run, shared by all its cells, also those that fail; ``max_usd`` is None for no limit.

    ``limit_name`` is what messages call its limit. ``in_batches_usd`` is what of the spent was for batches, at the most
    that they can cost; ``ran_short`` says whether the limit left requests unasked.
    """

    max_usd: float | None = None
    spent_usd: float = 0.0
    limit_name: str = "`max_usd` of this run"
    held_usd: float = 0.0
    in_batches_usd: float = 0.0
    ran_short: bool = False
    _parts: list[Part] = field(default_factory=list)

    def part(self) -> Part:
        """Return a further part, for one model."""
        self._parts.append(Part(self))
        return self._parts[-1]

    @property
    def limits(self) -> list[MoneyLimit]:
        """Its limit, if there is one."""
        if self.max_usd is None:
            return []
        return [
            MoneyLimit(self.limit_name, self.max_usd, self.spent_usd, "Another run goes on.", self.in_batches_usd),
        ]

    @property
    def holds(self) -> int:
        """Requests that money is held back for."""
        return sum(part.holds for part in self._parts)

    def has(self, usd: float) -> bool:
        """Say whether so much is there, for whomever it is kept."""
        return self.max_usd is None or self.spent_usd + self.held_usd + usd <= self.max_usd + ROUNDING

    def is_kept_for_others(self, usd: float, part: Part) -> bool:
        """Say whether others are to have so much, or some of it."""
        if self.max_usd is None:
            return False
        asking = [each for each in self._parts if each.is_asking or each is part]
        equal = (self.max_usd - self.spent_usd + sum(each.spent_usd for each in asking)) / len(asking)
        left = self.max_usd - self.spent_usd - self.held_usd
        kept = sum(each.kept_of(equal) for each in asking if each is not part)
        # Where one took more before others asked, their equal parts are more than what is left: each has less of it.
        is_too_much = max(1.0, (kept + part.rest_of(equal)) / left) if left > ROUNDING else 1.0
        return usd > left - kept / is_too_much + ROUNDING


@dataclass(eq=False)
class Part:
    """What one model takes from a purse.

    ``spent_usd`` and ``held_usd`` for ``holds`` requests are what it has taken. ``is_asking`` while it may take more.
    ``wanted_usd`` is what it was refused last, None since it was given some.
    """

    purse: Purse
    spent_usd: float = 0.0
    held_usd: float = 0.0
    holds: int = 0
    is_asking: int = 0
    wanted_usd: float | None = None

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Have a part of the money kept for the model; several cells of it may ask at once."""
        self.wanted_usd = self.wanted_usd if self.is_asking else None
        self.is_asking += 1
        try:
            yield
        finally:
            self.is_asking -= 1

    def rest_of(self, equal_usd: float) -> float:
        """Return what it has not taken yet of an equal part."""
        return max(0.0, equal_usd - self.spent_usd - self.held_usd)

    def kept_of(self, equal_usd: float) -> float:
        """Return what is kept for it of an equal part: nothing if it was refused, and nothing of it is under way.

        Its rest is too little then; whoever waits keeps nothing from those who wait for it.
        """
        waits = self.wanted_usd is not None and not self.holds
        return 0.0 if waits else self.rest_of(equal_usd)

    def hold(self, usd: float) -> bool:
        """Hold so much back, and say so; or say that it is not there, or that others are to have it."""
        if not self.purse.has(usd) or self.purse.is_kept_for_others(usd, self):
            self.wanted_usd = usd
            return False
        self.wanted_usd = None
        self.holds += 1
        self.held_usd += usd
        self.purse.held_usd += usd
        return True

    def may_come_free(self, usd: float) -> bool:
        """Say whether so much may be there later: as what is held turns out to be too much, or others leave some."""
        purse = self.purse
        if purse.max_usd is not None and purse.spent_usd + usd > purse.max_usd + ROUNDING:
            return False
        return purse.holds > 0 or purse.has(usd)

    def settle(self, held_usd: float, spent_usd: float) -> None:
        """Let go of what was held, and book what was spent."""
        self.holds -= 1
        self.held_usd = _less(self.held_usd, held_usd) if self.holds else 0.0
        self.purse.held_usd = _less(self.purse.held_usd, held_usd) if self.purse.holds else 0.0
        self.book(spent_usd)

    def book(self, usd: float) -> None:
        """Take what was spent, be it held or not."""
        self.spent_usd += usd
        self.purse.spent_usd += usd

    def take_back(self, usd: float) -> None:
        """Take back what was spent for a batch."""
        self.spent_usd = _less(self.spent_usd, usd)
        self.purse.spent_usd = _less(self.purse.spent_usd, usd)
        self.purse.in_batches_usd = _less(self.purse.in_batches_usd, usd)


def _less(sum_usd: float, usd: float) -> float:
    """Subtract what was added before; sums of amounts do not come back to 0 by themselves."""
    left = sum_usd - usd
    return left if left > ROUNDING else 0.0
