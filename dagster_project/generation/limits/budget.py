"""A limit on money that is never exceeded: before a request is sent, the most that it can cost is held back.

Belongs here: that a request is paid from the run's purse and from ledgers, and who waits. Does not belong here: prices,
and who set the limits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from itertools import count

from dagster_project.generation.limits.ledger import Ledger
from dagster_project.generation.limits.purse import ROUNDING, Part, Purse

SECONDS_BETWEEN_LOOKS = 0.1
LOOKS_IN_SILENCE = 10
TOO_DEAR = (
    "an answer cost more than was held for it: the endpoint counts more tokens than `max_tokens` allows, or than the "
    "prompt has bytes. With such an endpoint, limits can be exceeded by what is in flight"
)


class Budget:
    """A part of the run's purse, and the ledgers of the model and of the day: all of them must cover a request.

    What is free needs no money, and asks for none. ``say`` is called with why a request waits for money of other runs,
    once with each limit that was reached, and once if something cost more than was held for it.
    """

    def __init__(self, purse: Purse, ledgers: Sequence[Ledger], say: Callable[[str], None]) -> None:
        self._say = say
        self._purse = purse
        self._part = purse.part()
        self._ledgers = ledgers
        self._freed = asyncio.Event()
        self._said: set[str] = set()

    def asking(self) -> AbstractContextManager[None]:
        """Have a part of the run's money kept for the model while it asks."""
        return self._part.asking()

    async def hold(self, usd: float) -> bool:
        """Hold money for a request back; say False if there is not enough left for it.

        Waits while requests under way may turn out cheaper than what is held for them, and other models may leave some.
        """
        looks = count()
        while usd and (short := self._hold_everywhere(usd)):
            if not short.may_come_free(usd):
                self.say_what_is_short(usd)
                return False
            if next(looks) == LOOKS_IN_SILENCE:
                self._say_what_is_waited_for(short)
            await self._wait()
        return True

    async def others_leave(self, usd: float) -> bool:
        """Wait until other models have left so much of the run's money; say False if they will not."""
        looks = count()
        while short := self._hold_everywhere(usd):
            if short is not self._part or not short.may_come_free(usd):
                return False
            if next(looks) == LOOKS_IN_SILENCE:
                self._say_what_is_waited_for(short)
            await self._wait()
        self.settle(usd, 0.0)
        return True

    async def _wait(self) -> None:
        self._freed.clear()
        try:
            # Other processes and models free money without a word.
            await asyncio.wait_for(self._freed.wait(), SECONDS_BETWEEN_LOOKS)
        except TimeoutError:
            return

    def _say_what_is_waited_for(self, short: Part | Ledger) -> None:
        """Say why nothing is sent, unless what is waited for are requests of this run."""
        if short is self._part and not self._part.holds:
            self._say_once(
                f"waiting for what other models leave of {self._purse.limit_name}: they have not had their part yet"
            )
        elif not self._purse.holds:
            self._say("waiting for money: what is left below its limit is held back for requests of another run")

    def settle(self, held_usd: float, spent_usd: float) -> None:
        """Let go of what was held for a request, and book what it cost, perhaps more."""
        if not held_usd:
            return
        if spent_usd > held_usd * (1 + ROUNDING):
            self._say_once(TOO_DEAR)
        self._part.settle(held_usd, spent_usd)
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
        self._part.take_back(usd)
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
        self._part.book(max(0.0, usd))
        for ledger in self._ledgers:
            ledger.correct(usd, booked_at)

    def _say_once(self, words: str, about: str | None = None) -> None:
        """Say something, unless it was said before, or something else about the same."""
        if (about or words) not in self._said:
            self._said.add(about or words)
            self._say(words)

    def _hold_everywhere(self, usd: float) -> Part | Ledger | None:
        """Hold money back in every account; if one of them is short of it, in none, and return that one."""
        accounts: list[Part | Ledger] = [self._part, *self._ledgers]
        held: list[Part | Ledger] = []
        for account in accounts:
            if not account.hold(usd):
                for other in held:
                    other.settle(usd, 0.0)
                return account
            held.append(account)
        return None
