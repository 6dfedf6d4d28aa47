"""What was sent lately, and what of it was turned away.

Belongs here: counts over any recent span of time. Does not belong here: what follows from them
(`adaptive`).
"""

from __future__ import annotations

from bisect import bisect_right, insort

REMEMBERED = 4096
"""Sends that are kept at least: seconds of traffic at any pace that a client reaches, in a fraction of a megabyte."""
SHORTEST_SECONDS = 1e-3
"""Below this, a rate would say more about the clock than about the server."""


class _Times:
    """Moments in order, and how many there were up to any of late."""

    def __init__(self) -> None:
        self.kept: list[float] = []
        self._dropped = 0

    def add(self, at: float) -> bool:
        """Take a moment, in order or almost; say whether old ones were dropped."""
        if self.kept and at < self.kept[-1]:
            insort(self.kept, at)
        else:
            self.kept.append(at)
        if len(self.kept) <= 2 * REMEMBERED:
            return False
        del self.kept[:REMEMBERED]
        self._dropped += REMEMBERED
        return True

    def up_to(self, at: float) -> int:
        return self._dropped + bisect_right(self.kept, at)


class Traffic:
    """Sends and those turned away, both by the moment of sending; all times in seconds of one monotonic clock."""

    def __init__(self) -> None:
        self._sends = _Times()
        self._turned_away = _Times()
        self._idle: list[float] = []

    def send(self, now: float, idle: float) -> None:
        """Take a send, and the seconds before it in which nothing was sent though it might have been."""
        self._idle.append(idle + (self._idle[-1] if self._idle else 0.0))
        if self._sends.add(now):
            del self._idle[:REMEMBERED]

    def turn_away(self, sent_at: float) -> None:
        """Take that what was sent then was turned away."""
        self._turned_away.add(sent_at)

    def sent_up_to(self, at: float) -> int:
        """Return how many were sent ever, up to then."""
        return self._sends.up_to(at)

    def sent(self, since: float, until: float) -> int:
        """Return how many were sent after one moment and up to another."""
        return self._sends.up_to(until) - self._sends.up_to(since)

    def turned_away(self, since: float, until: float) -> int:
        """Return how many that were sent in this span are known to be turned away."""
        return self._turned_away.up_to(until) - self._turned_away.up_to(since)

    def let_in(self, since: float, until: float) -> int:
        """Return how many that were sent in this span are not known to be turned away."""
        return max(0, self.sent(since, until) - self.turned_away(since, until))

    def pace(self, since: float, until: float) -> float:
        """Return sends per second; what lies before the memory does not count."""
        since = max(since, self._oldest)
        return self.sent(since, until) / max(SHORTEST_SECONDS, until - since)

    def goodput(self, since: float, until: float) -> float:
        """Return how many were let in per second; idle time and what lies before the memory do not count."""
        since = max(since, self._oldest)
        return self.let_in(since, until) / self.busy_seconds(since, until)

    def busy_seconds(self, since: float, until: float) -> float:
        """Return the length of this span without its idle time."""
        return max(SHORTEST_SECONDS, until - since - self._idle_up_to(until) + self._idle_up_to(since))

    def last_send(self, until: float) -> float:
        """Return the moment of the last send up to then, or of the first after it; that itself if there is none."""
        return self._sends.kept[max(0, bisect_right(self._sends.kept, until) - 1)] if self._sends.kept else until

    @property
    def _oldest(self) -> float:
        return self._sends.kept[0] if self._sends.kept else 0.0

    def _idle_up_to(self, at: float) -> float:
        return self._idle[max(0, bisect_right(self._sends.kept, at) - 1)] if self._idle else 0.0
