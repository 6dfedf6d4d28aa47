"""The caps on requests and tokens in a time, and what the headers say about them.

Belongs here: counting against the clock. Does not belong here: what a request over a cap is told.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

from dagster_project.loopback.behaviour import Behaviour, RateWindow


class Cap(Protocol):
    """So much in so many seconds. Times are of one clock, in seconds, and never go back."""

    capacity: float

    def room(self, now: float) -> float:
        """Return what may be taken now."""

    def take(self, amount: float, now: float) -> None:
        """Take it, whether there is room or not."""

    def full_in(self, now: float) -> float:
        """Return the seconds until all may be taken again, if nobody takes anything until then."""


class Bucket:
    """Holds ``capacity``, starts full, and is filled at a steady rate per second."""

    def __init__(self, capacity: float, rate: float) -> None:
        self.capacity = capacity
        self._rate = rate
        self._level = capacity
        self._at = 0.0

    def room(self, now: float) -> float:
        """Return the level."""
        self._level = min(self.capacity, self._level + (now - self._at) * self._rate)
        self._at = now
        return self._level

    def take(self, amount: float, now: float) -> None:
        """Lower the level."""
        self._level = self.room(now) - amount

    def full_in(self, now: float) -> float:
        """Return the seconds until the bucket is full."""
        return (self.capacity - self.room(now)) / self._rate


class FixedWindow:
    """Windows of the clock, one after the other: twice the capacity may pass around the border of two."""

    def __init__(self, capacity: float, seconds: float) -> None:
        self.capacity = capacity
        self._seconds = seconds
        self._window = -1.0
        self._used = 0.0

    def room(self, now: float) -> float:
        """Return what the present window has left."""
        if (window := now // self._seconds) != self._window:
            self._window, self._used = window, 0.0
        return self.capacity - self._used

    def take(self, amount: float, now: float) -> None:
        """Use up some of the present window."""
        self.room(now)
        self._used += amount

    def full_in(self, now: float) -> float:
        """Return the seconds until the next window."""
        full = self.room(now) == self.capacity
        return 0.0 if full else (self._window + 1) * self._seconds - now


class SlidingWindow:
    """What was taken in the last so many seconds, in every moment."""

    def __init__(self, capacity: float, seconds: float) -> None:
        self.capacity = capacity
        self._seconds = seconds
        self._taken: deque[tuple[float, float]] = deque()
        self._used = 0.0

    def room(self, now: float) -> float:
        """Return what the last seconds have left."""
        while self._taken and self._taken[0][0] <= now - self._seconds:
            self._used -= self._taken.popleft()[1]
        return self.capacity - self._used

    def take(self, amount: float, now: float) -> None:
        """Use up some of the window that begins now."""
        self._taken.append((now, amount))
        self._used += amount

    def full_in(self, now: float) -> float:
        """Return the seconds until the last one leaves the window."""
        self.room(now)
        return self._taken[-1][0] + self._seconds - now if self._taken else 0.0


class Limits:
    """The caps of a behaviour: on requests, and on tokens of prompts and answers."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._made_from = _what_matters(behaviour)
        self._caps: dict[str, Cap] = {}
        if rate := behaviour.requests_per_second:
            capacity = behaviour.burst if behaviour.burst and behaviour.rate_window == "bucket" else rate
            self._caps["requests"] = _cap(behaviour.rate_window, max(1.0, capacity), rate, max(1.0, 1 / rate))
        if tokens := behaviour.tokens_per_minute:
            self._caps["tokens"] = _cap(behaviour.rate_window, tokens, tokens / 60, 60.0)
        self.counts_tokens = "tokens" in self._caps

    def are_those_of(self, behaviour: Behaviour) -> bool:
        """Tell whether a behaviour has the same caps."""
        return self._made_from == _what_matters(behaviour)

    def admit(self, now: float, tokens: int) -> str | None:
        """Take one request and its tokens and return None, or return the cap without room, `requests` or `tokens`."""
        costs = {"requests": 1, "tokens": tokens}
        for kind, cap in self._caps.items():
            if cap.room(now) < costs[kind]:
                return kind
        for kind, cap in self._caps.items():
            cap.take(costs[kind], now)
        return None

    def headers(self, now: float) -> dict[str, str]:
        """Return the x-ratelimit headers for the caps that there are, true at this moment."""
        headers = {}
        for kind, cap in self._caps.items():
            headers[f"x-ratelimit-limit-{kind}"] = str(int(cap.capacity))
            headers[f"x-ratelimit-remaining-{kind}"] = str(max(0, int(cap.room(now))))
            headers[f"x-ratelimit-reset-{kind}"] = go_duration(cap.full_in(now))
        return headers


def _what_matters(behaviour: Behaviour) -> tuple[object, ...]:
    return (behaviour.requests_per_second, behaviour.burst, behaviour.rate_window, behaviour.tokens_per_minute)


def _cap(window: RateWindow, capacity: float, rate: float, seconds: float) -> Cap:
    if window == "bucket":
        return Bucket(capacity, rate)
    return (FixedWindow if window == "fixed" else SlidingWindow)(capacity, seconds)


def go_duration(seconds: float) -> str:
    """Write a time as Go does, to the millisecond: ``0s``, ``120ms``, ``1.5s``, ``6m0s``."""
    milliseconds = round(seconds * 1000)
    if 0 < milliseconds < 1000:
        return f"{milliseconds}ms"
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    text = f"{rest / 1000:g}s"
    if hours:
        return f"{hours}h{minutes}m{text}"
    return f"{minutes}m{text}" if minutes else text
