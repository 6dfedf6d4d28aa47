"""The one place where it is decided when a request may be sent.

Belongs here: bringing together the user's limits, the pace that the server bears, and what may be in flight. Does
not belong here: each of these by itself.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Sequence

from dagster_project.generation.limits.adaptive import AdaptivePace
from dagster_project.generation.limits.quota import Quota
from dagster_project.generation.limits.rate_headers import RateLimits

LONGEST_SLEEP_SECONDS = 1.0
"""Whatever was foreseen, look again then: other processes and newer replies change it."""
LONG_WAIT_SECONDS = 10.0
"""Who waits for longer is told why."""


class Gate:
    """Lets requests to one model of one endpoint through, for all cells of this process.

    One at a time may `enter`: who is next is decided before (`turns`).

    Args:
        max_in_flight: requests that may be under way from this process.
        quotas: the limits of the endpoint and of the model.
        say: called with why a request has to wait for long.

    Attributes:
        most: requests that may be under way from this process.
        in_flight: those that are.
        pace: what the server bears.
    """

    def __init__(self, max_in_flight: int, quotas: Sequence[Quota], say: Callable[[str], None]) -> None:
        self.pace = AdaptivePace()
        self.in_flight = 0
        self.most = max_in_flight
        self._quotas = quotas
        self._say = say
        self._said = False
        self._changed: asyncio.Future[None] | None = None
        for quota in quotas:
            quota.watch(self.look_again)

    async def enter(self, tokens: int) -> float:
        """Return when a request that may need so many tokens may be sent; give the time, by the monotonic clock."""
        try:
            while wait := self._wait(time.monotonic(), tokens):
                await self._sleep(wait)
        except asyncio.CancelledError:
            for quota in self._quotas:
                quota.stop_waiting()
            raise
        finally:
            self._said = False
        now = time.monotonic()
        self.in_flight += 1
        self.pace.sent(now)
        return now

    def leave(self, tokens_unused: int) -> None:
        """Let a request out; what it did not need of its tokens is given back."""
        self.in_flight -= 1
        self.look_again()  # first, for where a quota's counters are spoilt, who sleeps here is to hear of it too
        for quota in self._quotas:
            quota.leave(tokens_unused)

    def told(self, limits: RateLimits) -> None:
        """Take what a reply's headers say about the server's limits; its request has not left yet."""
        self.pace.told(time.monotonic(), self.in_flight - 1, limits)
        self.look_again()

    def look_again(self) -> None:
        """Wake whoever waits at the gate."""
        if self._changed and not self._changed.done():
            self._changed.set_result(None)

    def _wait(self, now: float, tokens: int) -> float:
        """Return the seconds until it is worth asking again; 0 once the request has been counted in."""
        if self.in_flight >= self.most:
            return math.inf
        if delay := self.pace.delay(now, self.in_flight):
            self._say_if_long(delay, lambda: "the server, which takes no more until then")
            return delay
        for number, quota in enumerate(self._quotas):
            if wait := quota.enter(tokens):
                for entered in self._quotas[:number]:
                    entered.withdraw(tokens)
                self._say_if_long(wait, quota.short_of)
                return wait
        return 0.0

    def _say_if_long(self, seconds: float, what_for: Callable[[], str]) -> None:
        if seconds > LONG_WAIT_SECONDS and not self._said:
            self._said = True
            self._say(f"waiting {seconds:.0f} s for {what_for()}")

    async def _sleep(self, seconds: float) -> None:
        """Return after so many seconds, or when something has changed; what only this process can change is told."""
        loop = asyncio.get_running_loop()
        self._changed = loop.create_future()
        alarm = None
        if seconds < math.inf:
            alarm = loop.call_later(min(seconds, LONGEST_SLEEP_SECONDS), self.look_again)
        try:
            await self._changed
        finally:
            if alarm:
                alarm.cancel()
            self._changed = None
