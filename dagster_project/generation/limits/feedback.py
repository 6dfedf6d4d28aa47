"""How long it takes to hear that a request was turned away.

Belongs here: latency of refusals. Does not belong here: that of answers, which say nothing about pace.
"""

from __future__ import annotations

MEAN_GAIN, DEVIATION_GAIN, DEVIATIONS = 1 / 8, 1 / 4, 4
"""As TCP times its retransmissions (RFC 6298)."""


class FeedbackTime:
    """A running mean of seconds and of how far they are off it."""

    def __init__(self) -> None:
        self._mean = 0.0
        self._deviation = 0.0

    def hear(self, seconds: float) -> None:
        """Take that one was turned away, so long after it was sent."""
        if not self._mean:
            self._mean, self._deviation = seconds, seconds / 2
            return
        self._deviation += DEVIATION_GAIN * (abs(seconds - self._mean) - self._deviation)
        self._mean += MEAN_GAIN * (seconds - self._mean)

    @property
    def patience(self) -> float:
        """Seconds after which what was not turned away may be taken for let in."""
        return self._mean + DEVIATIONS * self._deviation
