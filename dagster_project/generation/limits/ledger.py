"""What has been spent, over all processes that work on one home: in all and today, by model and by all models together.

Belongs here: counting money, and holding it back for requests under way. Does not belong here: prices,
and what is done about requests that were not asked.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dagster_project.generation.limits.quota import FOLDER
from dagster_project.generation.limits.shared_state import shared_state

SECONDS_A_DAY = 86_400
_DAY, _TODAY, _IN_ALL = range(3)
_HELD, _HOLDS = range(2)
RAISED = "when it is raised in models.yaml"


@dataclass(frozen=True)
class MoneyLimit:
    """A limit on money: its name, how many US dollars it allows, how many are taken of them, and how to go on at it.

    ``taken_usd`` is what was spent, and ``in_batches_usd`` of it what batches that are out may cost at most: when they
    have come back, what they do not need is free again.
    """

    name: str
    usd: float
    taken_usd: float
    to_go_on: str
    in_batches_usd: float = 0.0

    @property
    def left_usd(self) -> float:
        """What may still be spent now, in US dollars."""
        return max(0.0, self.usd - self.taken_usd)

    @property
    def left_at_best_usd(self) -> float:
        """What may be spent if the batches that are out turn out to cost nothing, in US dollars."""
        return max(0.0, self.usd - self.taken_usd + self.in_batches_usd)

    @property
    def in_words(self) -> str:
        """What is taken of it."""
        spent = f"{max(0.0, self.taken_usd - self.in_batches_usd):,.4f} USD are spent"
        return f"{spent}, {self.in_batches_usd:,.4f} held for batches that are out" if self.in_batches_usd else spent


class Ledger:
    """Money of one model, or of all; UTC days.

    What is held back for a process that was killed counts as spent: its requests may be paid for all the same.

    Args:
        folder: the lake's folder for limits.
        name: what it counts, such as ``model m`` or ``all models``; its file is called so.
        max_usd: what may be spent in all; None for no limit.
        max_usd_per_day: what may be spent on one day; None for no limit.
        spent_before: gives what was spent today and in all, should there be no file yet, or no longer.
        in_batches: gives what of it batches that are out may cost at most.

    Raises:
        SteerworksError: the disk does not take the file.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        max_usd: float | None,
        max_usd_per_day: float | None,
        spent_before: Callable[[], tuple[float, float]],
        in_batches: Callable[[], tuple[float, float]] = lambda: (0.0, 0.0),
    ) -> None:
        self._name = name
        self._in_all = math.inf if max_usd is None else max_usd
        self._in_batches = in_batches
        self._a_day = math.inf if max_usd_per_day is None else max_usd_per_day
        self._state = shared_state(folder / FOLDER / f"{name.replace(' ', '-')}.money", 3, 2, _book_what_was_held)
        with self._state:
            if not self._state.shared[_DAY]:
                self._state.shared[:] = _today(), *spent_before()

    def hold(self, usd: float) -> bool:
        """Hold so much back, and say so; or say that it is not there."""
        state = self._state
        with state:
            self._turn_the_page()
            if not self._covers(usd):
                state.bury()
                return False
            state.mine[_HELD] += usd
            state.mine[_HOLDS] += 1
            return True

    def settle(self, held_usd: float, spent_usd: float) -> None:
        """Let go of what was held, and book what was spent."""
        state = self._state
        with state:
            self._turn_the_page()
            state.mine[_HOLDS] = max(0.0, state.mine[_HOLDS] - 1)
            # Sums of amounts do not end at 0 by themselves.
            state.mine[_HELD] = max(0.0, state.mine[_HELD] - held_usd) if state.mine[_HOLDS] else 0.0
            _book(state.shared, spent_usd, spent_usd)

    def correct(self, usd: float, booked_at: float) -> None:
        """Book what something cost more, or below 0 less, than was booked for it at a time, in seconds since 1970."""
        with self._state:
            self._turn_the_page()
            # What was booked on another day gives none of this day's money back.
            today = usd if usd > 0 or _day_of(booked_at) == self._state.shared[_DAY] else 0.0
            _book(self._state.shared, usd, today)

    def may_come_free(self, usd: float) -> bool:
        """Say whether so much may be there once the requests under way turn out cheaper than what is held for them."""
        state = self._state
        with state:
            self._turn_the_page()
            state.bury()
            is_held = any(row[_HOLDS] for row in [state.mine, *state.others.values()])
            return is_held and self._covers_beside_what_is_held(usd)

    @property
    def limits(self) -> list[MoneyLimit]:
        """Its limits, as far as there are any."""
        if self._in_all == self._a_day == math.inf:
            return []
        (today, in_all), (today_out, all_out) = self.spent_usd, self._in_batches()
        return [
            MoneyLimit(name, usd, taken, f"It goes on {_when(out)}{how}.", out)
            for name, usd, taken, how, out in (
                (f"`max_usd` of {self._name}", self._in_all, in_all, RAISED, all_out),
                (
                    f"`max_usd_per_day` of {self._name}",
                    self._a_day,
                    today,
                    f"the next day (UTC), or {RAISED}",
                    today_out,
                ),
            )
            if usd < math.inf
        ]

    @property
    def spent_usd(self) -> tuple[float, float]:
        """What was spent today and in all, in US dollars."""
        with self._state:
            self._turn_the_page()
            return self._state.shared[_TODAY], self._state.shared[_IN_ALL]

    def _covers(self, usd: float) -> bool:
        held = self._state.mine[_HELD] + sum(row[_HELD] for row in self._state.others.values())
        return self._covers_beside_what_is_held(usd + held)

    def _covers_beside_what_is_held(self, usd: float) -> bool:
        shared = self._state.shared
        return shared[_IN_ALL] + usd <= self._in_all and shared[_TODAY] + usd <= self._a_day

    def _turn_the_page(self) -> None:
        # A clock that was set back over midnight, by a day at most, gives the day's money no second time.
        if (today := _today()) not in (self._state.shared[_DAY], self._state.shared[_DAY] - 1):
            self._state.shared[_DAY], self._state.shared[_TODAY] = today, 0.0


def _when(in_batches_usd: float) -> str:
    return "with what batches leave when they have come back, or " if in_batches_usd else ""


def _today() -> float:
    return _day_of(time.time())


def _day_of(seconds: float) -> float:
    return float(seconds // SECONDS_A_DAY)


def _book_what_was_held(shared: list[float], row: list[float]) -> None:
    _book(shared, row[_HELD], row[_HELD])


def _book(shared: list[float], in_all: float, today: float) -> None:
    shared[_TODAY] = max(0.0, shared[_TODAY] + today)
    shared[_IN_ALL] = max(0.0, shared[_IN_ALL] + in_all)
