"""How fast an endpoint is asked, and how long to wait before a request is tried again.

Belongs here: the one place that says when the next request may be sent. Does not belong here:
what a reply means.
"""

from __future__ import annotations

import asyncio
import random

FIRST_BACKOFF_SECONDS = 0.5
LONGEST_BACKOFF_SECONDS = 30.0


class Pace:
    """Starts of requests, evenly spaced so that ``requests_per_minute`` holds in every minute."""

    def __init__(self, requests_per_minute: int | None) -> None:
        self._spacing = 60 / requests_per_minute if requests_per_minute else 0.0
        self._next = 0.0

    async def turn(self) -> None:
        """Return when the next request may be sent."""
        if not self._spacing:
            return
        now = asyncio.get_running_loop().time()
        start = max(now, self._next)
        self._next = start + self._spacing
        await asyncio.sleep(start - now)


def seconds_before(next_try: int, retry_after: float | None) -> float:
    """Return how long to wait before a further try (2 for the second), in seconds.

    Exponential with jitter. A server's Retry-After is a lower bound; the jitter on top keeps
    those that were turned away together from coming back together.
    """
    backoff = min(LONGEST_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2.0 ** (next_try - 2))
    jitter = random.uniform(0.5, 1.0)  # noqa: S311 - spreads load; nothing is decided by it
    return backoff * jitter if retry_after is None else retry_after + min(backoff, 1.0) * (jitter - 0.5)
