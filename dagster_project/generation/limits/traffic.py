"""What was sent lately, and what of it was turned away.

Belongs here: counts over any recent span of time. Does not belong here: what follows from them
(`capacity`, `adaptive`).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from math import inf

REMEMBERED = 4096
"""Sends that are kept at least: seconds of traffic at any pace that a client reaches, in a fraction of a megabyte."""
SHORTEST_SECONDS = 1e-3
"""Below this, a rate would say more about the clock than about the server."""


class _Times:
    """Moments in order, and how many there were up to any of late."""

    def __init__(self) -> None:
        self._kept: list[float] = []
        self._dropped = 0

    def add(self, at: float) -> bool:
        """Take a moment, in order or almost; say whether old ones were dropped."""
        insort(self._kept, at)
        if len(self._kept) <= 2 * REMEMBERED:
            return False
        del self._kept[:REMEMBERED]
        self._dropped += REMEMBERED
        return True

    def place(self, at: float) -> int:
        return bisect_right(self._kept, at)

    def up_to(self, at: float) -> int:
        return self._dropped + self.place(at)

    def before(self, at: float) -> float:
        place = bisect_left(self._kept, at)
        return self._kept[place - 1] if place else -inf


class Traffic:
    """Sends and those turned away, both by the moment of sending; all times in seconds of one monotonic clock."""

    def __init__(self) -> None:
        self._sends = _Times()
        self._turned_away = _Times()
        self._lost = [0.0]

    def send(self, now: float, lost: float) -> None:
        """Take a send, and the seconds by which it was later than the pace would have had it."""
        self._lost.append(self._lost[-1] + lost)
        if self._sends.add(now):
            del self._lost[:REMEMBERED]

    def turn_away(self, sent_at: float) -> None:
        """Take that what was sent then was turned away."""
        self._turned_away.add(sent_at)

    def sent_up_to(self, at: float) -> int:
        """Return how many were sent ever, up to then."""
        return self._sends.up_to(at)

    def sent(self, since: float, until: float) -> int:
        """Return how many were sent after one moment and up to another."""
        return max(0, self._sends.up_to(until) - self._sends.up_to(since))

    def turned_away(self, since: float, until: float) -> int:
        """Return how many that were sent in this span are known to be turned away."""
        return max(0, self._turned_away.up_to(until) - self._turned_away.up_to(since))

    def let_in(self, since: float, until: float) -> int:
        """Return how many that were sent in this span are not known to be turned away."""
        return max(0, self.sent(since, until) - self.turned_away(since, until))

    def busy_seconds(self, since: float, until: float) -> float:
        """Return the length of this span without what was lost in it."""
        lost = self._lost[self._sends.place(until)] - self._lost[self._sends.place(since)]
        return max(SHORTEST_SECONDS, until - since - lost)

    def gap_before(self, sent_at: float) -> float:
        """Return the seconds between a send and the one before it; infinite for the first."""
        return sent_at - self._sends.before(sent_at)
