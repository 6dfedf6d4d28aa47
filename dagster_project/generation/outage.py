"""An endpoint that is away for a while: it is waited for, and knocked at, before its model is given up.

Belongs here: when to try it again. Does not belong here: what counts as being away (`channel`).
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

MOST_SECONDS_AWAY = 30.0
"""How long an endpoint is waited for that was heard before: long enough for a server to be started again."""
MOST_SECONDS_UNHEARD = 5.0
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 4.0


class Outage:
    """Whether an endpoint is away: a connection failed, and nobody has heard from it since that was tried.

    Until it is heard again, one request at a time knocks, after growing pauses. Times are by the monotonic clock.

    Attributes:
        last_heard: when the endpoint last said anything.
        since: when it went away; None if it is there.
        knocks: how often it was knocked at in vain.
    """

    def __init__(self) -> None:
        self.last_heard: float | None = None
        self.since: float | None = None
        self.knocks = 0
        self._next_knock = 0.0
        self._knocked_at: float | None = None
        self._changed = asyncio.Event()

    @property
    def most_seconds(self) -> float:
        """How long the endpoint is waited for."""
        return MOST_SECONDS_UNHEARD if self.last_heard is None else MOST_SECONDS_AWAY

    def is_too_long(self, now: float) -> bool:
        """Say whether the endpoint has been away for longer than it is waited for."""
        return self.since is not None and now - self.since >= self.most_seconds

    async def wait(self) -> None:
        """Return when a request may be sent: the endpoint is there, or it is time to knock."""
        while self.since is not None:
            pause = self._next_knock - time.monotonic()
            if self._knocked_at is None and pause <= 0:
                return
            self._changed.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), pause if self._knocked_at is None else None)

    def sent(self, sent_at: float) -> None:
        """Take it that a request was sent; while the endpoint is away, it knocks."""
        self._knocked_at = None if self.since is None else sent_at

    def heard(self, now: float) -> None:
        """Take it that the endpoint said something."""
        self.last_heard, self.since, self.knocks, self._knocked_at = now, None, 0, None
        self._changed.set()

    def failed(self, sent_at: float, now: float, is_sure: bool) -> None:
        """Take it that a connection failed for a request sent at some time; ``is_sure`` that nobody is there."""
        if self.since is None and is_sure and (self.last_heard is None or self.last_heard < sent_at):
            self.since = now
            self._next_knock = now + FIRST_PAUSE_SECONDS

    def unheard(self, sent_at: float, now: float) -> None:
        """Take it that a request, sent at some time, brought no reply; if it knocked, the next pause is longer."""
        if self.since is not None and sent_at == self._knocked_at:
            self.knocks += 1
            pause = min(FIRST_PAUSE_SECONDS * 2.0**self.knocks, LONGEST_PAUSE_SECONDS)
            self._next_knock = min(now + pause, max(now, self.since + self.most_seconds))
            self.lost(sent_at)

    def lost(self, sent_at: float) -> None:
        """Take it that nothing will be known of a request: another one may knock."""
        if sent_at == self._knocked_at:
            self._knocked_at = None
            self._changed.set()
