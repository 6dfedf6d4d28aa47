"""Sends at a steady pace, which grows by itself.

Belongs here: when the next one is due. Does not belong here: which pace a server bears (`capped`).
"""

from __future__ import annotations

from math import cbrt, inf

BACK = 0.03
"""So far below the estimate it begins, for jitter must not exceed the cap; on the average it is a quarter of that."""
CATCH_UP_SECONDS, SHORT_CATCH_UP_SECONDS = 0.010, 0.0025
"""Timers are late by some milliseconds, and what they lose is made up for at once, if the server bears that."""
SHORT_SPACING_SECONDS = 0.004
"""Closer sends need some catching up, as timers lose most of a millisecond at each."""


class Pacer:
    """Spaces sends evenly (as a leaky bucket), at a rate that grows like the window of TCP CUBIC (RFC 9438).

    From a little below the estimate it rises to it, stays close for a while, and then looks ever faster for more.
    """

    def __init__(self) -> None:
        self.estimate = inf
        self._since = -inf
        self._doubling_seconds = inf
        self._due = 0.0
        self._catch_up = CATCH_UP_SECONDS

    def set(self, estimate: float, doubling_seconds: float, now: float) -> None:
        """Begin at an estimate, in sends per second, that would be doubled after so many seconds."""
        self.estimate = estimate
        self._since = now
        self._doubling_seconds = doubling_seconds

    @property
    def flat_until(self) -> float:
        """Until when the rate stays below the estimate."""
        return self._since + self._doubling_seconds * cbrt(BACK)

    def rate(self, now: float) -> float:
        """Return the rate that it has grown to, in sends per second."""
        grown = (now - self.flat_until) / self._doubling_seconds
        return self.estimate * (1 + grown * grown * grown)

    def hold(self, until: float) -> None:
        """Send nothing before that."""
        self._due = until

    def delay(self, now: float) -> float:
        """Return the seconds until the next one is due."""
        return max(0.0, self._due - now)

    def sent(self, now: float, rate: float) -> float:
        """Take that one goes out, and the next one is due at such a rate; return the seconds that were lost by then."""
        lost = max(0.0, now - self._catch_up - self._due)
        self._due += lost + 1 / rate
        return lost

    @property
    def catches_up(self) -> bool:
        """Whether what is lost is made up for, at least in part."""
        return self._catch_up > 0

    def is_early(self, gap: float, now: float) -> bool:
        """Tell whether one that followed another so soon was catching up, and need not have been."""
        spacing = 1 / self.rate(now)
        least = SHORT_CATCH_UP_SECONDS if spacing < SHORT_SPACING_SECONDS else 0.0
        return self._catch_up > least and gap < 0.9 * spacing

    def catch_up_less(self) -> None:
        """Take that the server turns such ones away: it allows no bursts, or shorter ones."""
        self._catch_up = SHORT_CATCH_UP_SECONDS if self._catch_up > SHORT_CATCH_UP_SECONDS else 0.0
