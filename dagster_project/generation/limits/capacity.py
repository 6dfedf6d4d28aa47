"""The rate that a server lets in, by the conservation of its tokens.

A server that has just turned one away has no token left. So what it lets in between two such moments is what it
refilled: rate times time, give or take one token. It may be less where pauses let its bucket overflow, never more.

Belongs here: what follows for the rate. Does not belong here: the pace that follows from it (`capped`).
"""

from __future__ import annotations

from bisect import insort
from math import inf

from dagster_project.generation.limits.traffic import SHORTEST_SECONDS, Traffic

MEMORY_SECONDS = 3.0
"""What was let in before that says nothing about now; windows of a second are whole within it."""
MOST_MARKS = 32
"""As each costs a little time at every estimate."""
JITTER_SECONDS = 0.01
"""By so much more or less than the time between their sending two requests may arrive apart."""


class Capacity:
    """Estimates a rate between marks: moments, by the time of sending, at which the server had no token left."""

    def __init__(self, traffic: Traffic) -> None:
        self._traffic = traffic
        self._marks: list[float] = []

    def mark(self, at: float) -> None:
        """Take that one sent then was turned away because there was no token, or that tokens begin to come then."""
        insort(self._marks, at)
        while len(self._marks) > MOST_MARKS or (len(self._marks) > 2 and self._marks[1] < at - MEMORY_SECONDS):
            del self._marks[0]

    def forget(self, before: float = inf) -> None:
        """Take that the rate may have been another one until then."""
        self._marks = [at for at in self._marks if at >= before]

    @property
    def since(self) -> float:
        """The first mark."""
        return self._marks[0] if self._marks else -inf

    def let_in(self, until: float) -> int:
        """Return how many were let in since the first mark."""
        return self._traffic.let_in(self.since, until)

    def busy_seconds(self, until: float) -> float:
        """Return the seconds since the first mark, without what was lost of them."""
        return self._traffic.busy_seconds(self.since, until)

    def estimate(self, until: float, saves: bool) -> float:
        """Return the rate, per second, up to a moment at which there was no token left either.

        Args:
            until: that moment.
            saves: whether the server saves up tokens while nothing is sent; otherwise lost time does not count.

        Returns:
            What was let in since the first mark, and not less than what certainly was since any of them.
        """
        certain = max((self._traffic.let_in(at, until) - 1) / self._seconds(at, until, saves) for at in self._marks)
        seconds = max(SHORTEST_SECONDS, self._seconds(self.since, until, saves) - JITTER_SECONDS)
        return max(certain, max(1, self.let_in(until)) / seconds)

    def _seconds(self, since: float, until: float, saves: bool) -> float:
        return JITTER_SECONDS + (until - since if saves else self._traffic.busy_seconds(since, until))
