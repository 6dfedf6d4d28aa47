"""A server that lets nothing in for a while: a window that is used up, or a penalty.

Belongs here: when to look whether it is open again. Does not belong here: the pace then.
"""

from __future__ import annotations

SURELY_CLOSED_SECONDS = 0.1
"""Nothing let in for so long means more than the time between two tokens of a cap that is worth finding."""
COARSE_RETRY_AFTER = 1.0
"""A Retry-After of a second is mostly a rounded fraction of one, so it is not waited for."""
PROBE_SHARE, LONGEST_PROBE_SECONDS = 0.4, 30.0
"""A probe each time that the closure has become longer by this share, and at least so often if nobody says when."""


class Closure:
    """Lets one request through now and then, until one is let in.

    Args:
        since: when the first one was sent that was turned away.
        refused: when the last one was.
        counted_from: when the server was open before; what it let in from then on is a window full.
        now: the present moment.
        retry_after: what the server said last, in seconds.
    """

    def __init__(self, since: float, refused: float, counted_from: float, now: float, retry_after: float) -> None:
        self.since = since
        self.counted_from = counted_from
        self.probed: float | None = None
        self.refused = refused
        self.opened: float | None = None
        self._probe_at = 0.0
        self.refuse(refused, now, retry_after)

    def delay(self, now: float) -> float:
        """Return the seconds until the next probe, if none is on its way."""
        return max(0.0, self._probe_at - now)

    def refuse(self, sent_at: float, now: float, retry_after: float) -> None:
        """Take that one was turned away, perhaps the probe."""
        self.refused = max(self.refused, sent_at)
        if self.probed is not None and sent_at < self.probed:
            return
        self.probed = self.opened = None
        closed = now - self.since
        wait = min(LONGEST_PROBE_SECONDS, PROBE_SHARE * closed)
        if closed >= SURELY_CLOSED_SECONDS and retry_after > COARSE_RETRY_AFTER:
            wait = max(wait, retry_after)
        self._probe_at = now + wait

    def open(self) -> float:
        """Take that the last probe was let in; return when it was sent."""
        assert self.probed is not None  # noqa: S101 - only a probe shows that it is open
        self.opened, self.probed = self.probed, None
        return self.opened

    @property
    def was_window(self) -> bool:
        """Whether it lasted so long that a window must have been used up."""
        return self.opened is not None and self.opened - self.since > SURELY_CLOSED_SECONDS
