"""A limit on money that is never exceeded: before a request is sent, the most that it can cost is held back.

Belongs here: which purse and which ledgers a request is paid from. Does not belong here: prices, and who
set the limits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count

from dagster_project.generation.limits.ledger import Ledger, MoneyLimit

SECONDS_BETWEEN_LOOKS = 0.1
LOOKS_IN_SILENCE = 10
ROUNDING = 1e-9
"""Amounts that differ by less are the same: sums of them do not come out even."""
TOO_DEAR = (
    "an answer cost more than was held for it: the endpoint counts more tokens than `max_tokens` allows, or than the "
    "prompt has bytes. With such an endpoint, limits can be exceeded by what is in flight"
)


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
    holds: int = 0
    in_batches_usd: float = 0.0
    ran_short: bool = False

    def hold(self, usd: float) -> bool:
        """Hold so much back, and say so; or say that it is not there."""
        if self.max_usd is not None and self.spent_usd + self.held_usd + usd > self.max_usd:
            return False
        self.held_usd += usd
        self.holds += 1
        return True

    def may_come_free(self, usd: float) -> bool:
        """Say whether so much may be there once the requests under way turn out cheaper than what is held for them."""
        return self.holds > 0 and (self.max_usd is None or self.spent_usd + usd <= self.max_usd)

    @property
    def limits(self) -> list[MoneyLimit]:
        """Its limit, if there is one."""
        if self.max_usd is None:
            return []
        return [
            MoneyLimit(self.limit_name, self.max_usd, self.spent_usd, "Another run goes on.", self.in_batches_usd),
        ]

    def settle(self, held_usd: float, spent_usd: float) -> None:
        """Let go of what was held, and book what was spent."""
        self.holds -= 1
        self.held_usd = max(0.0, self.held_usd - held_usd) if self.holds else 0.0
        self.spent_usd += spent_usd

    def take_back(self, usd: float) -> None:
        """Take back what was spent for a batch."""
        self.spent_usd = _less(self.spent_usd, usd)
        self.in_batches_usd = _less(self.in_batches_usd, usd)


class Budget:
    """The purse of the run, and the ledgers of the model and of the day: all of them must cover a request.

    What is free needs no money, and asks for none. ``say`` is called with why a request waits for money of other runs,
    once with each limit that was reached, and once if something cost more than was held for it.
    """

    def __init__(self, purse: Purse, ledgers: Sequence[Ledger], say: Callable[[str], None]) -> None:
        self._say = say
        self._purse = purse
        self._ledgers = ledgers
        self._freed = asyncio.Event()
        self._said: set[str] = set()

    async def hold(self, usd: float) -> bool:
        """Hold money for a request back; say False if there is not enough left for it.

        Waits while requests under way may turn out cheaper than what is held for them.
        """
        looks = count()
        while usd and (short := self._hold_everywhere(usd)):
            if not short.may_come_free(usd):
                self.say_what_is_short(usd)
                return False
            if not self._purse.holds and next(looks) == LOOKS_IN_SILENCE:
                self._say("waiting for money: what is left below its limit is held back for requests of another run")
            self._freed.clear()
            try:
                # Another process frees money without a word.
                await asyncio.wait_for(self._freed.wait(), SECONDS_BETWEEN_LOOKS)
            except TimeoutError:
                continue
        return True

    def settle(self, held_usd: float, spent_usd: float) -> None:
        """Let go of what was held for a request, and book what it cost, perhaps more."""
        if not held_usd:
            return
        if spent_usd > held_usd * (1 + ROUNDING):
            self._say_once(TOO_DEAR)
        self._purse.settle(held_usd, spent_usd)
        for ledger in self._ledgers:
            ledger.settle(held_usd, spent_usd)
        self._freed.set()

    def spend(self, usd: float) -> bool:
        """Book the most that a batch can cost, and say so; or say that the money is not there."""
        if self._hold_everywhere(usd):
            return False
        self.settle(usd, usd)
        self._purse.in_batches_usd += usd
        return True

    def take_back(self, usd: float, booked_at: float) -> None:
        """Take back what this run booked for a batch that was not handed in. ``booked_at`` is in seconds since 1970."""
        self._purse.take_back(usd)
        for ledger in self._ledgers:
            ledger.correct(-usd, booked_at)

    def say_what_is_short(self, usd: float) -> None:
        """Say, once of each limit, which one leaves the least where so much is needed."""
        of_run = self._purse.limits
        limits = of_run + [limit for ledger in self._ledgers for limit in ledger.limits]
        limit = min(limits, key=lambda limit: limit.left_usd, default=None)
        self._purse.ran_short |= limit in of_run
        if limit:
            self._say_once(
                f"{limit.name}, {limit.usd:,.4f} USD, is reached: {limit.in_words}, and the next request may cost "
                f"up to {usd:,.4f} USD. {limit.to_go_on}",
                limit.name,
            )

    def correct(self, usd: float, booked_at: float) -> None:
        """Book what something cost more, or below 0 less, than was booked for it, perhaps by an earlier run.

        ``booked_at`` is in seconds since 1970.
        """
        if usd > ROUNDING:
            self._say_once(TOO_DEAR)
        self._purse.spent_usd += max(0.0, usd)
        for ledger in self._ledgers:
            ledger.correct(usd, booked_at)

    def _say_once(self, words: str, about: str | None = None) -> None:
        """Say something, unless it was said before, or something else about the same."""
        if (about or words) not in self._said:
            self._said.add(about or words)
            self._say(words)

    def _hold_everywhere(self, usd: float) -> Purse | Ledger | None:
        """Hold money back in every account; if one of them is short of it, in none, and return that one."""
        accounts: list[Purse | Ledger] = [self._purse, *self._ledgers]
        held: list[Purse | Ledger] = []
        for account in accounts:
            if not account.hold(usd):
                for other in held:
                    other.settle(usd, 0.0)
                return account
            held.append(account)
        return None


def _less(sum_usd: float, usd: float) -> float:
    """Subtract what was added before; sums of amounts do not come back to 0 by themselves."""
    left = sum_usd - usd
    return left if left > ROUNDING else 0.0
