"""Rate-limited servers and the closed loop that asks them, on a simulated clock: seconds of traffic in milliseconds.

Belongs here: how servers turn requests away, and when a client's sends and replies happen. Does
not belong here: what is expected of the limiter.
"""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from dagster_project.generation.limits.adaptive import AdaptivePace
from dagster_project.generation.limits.rate_headers import NO_LIMITS, RateLimit, RateLimits

SEND_SECONDS = 0.0003
"""The client's CPU for one send: a loop sends one request after the other."""
REPLY_SECONDS = 0.0001
WAY_SECONDS = 0.0003
"""One way over the network."""
TIMER_SECONDS = 0.001
"""An event loop counts in milliseconds: its timers come late by up to one."""
HICCUPS = ((100.0, 0.001, 0.002), (2.0, 0.005, 0.020))
"""How often a second a loop on a busy machine stands still, and for how long at least and at most, in seconds: client
and server alike. What should have happened meanwhile happens at once afterwards."""
TURNING_AWAY_SECONDS = (0.001, 0.020)
"""A 429 takes so long at least and at most, at once as it may be decided; most take a few milliseconds."""


@dataclass(frozen=True)
class Turned:
    """Turned away, with what Retry-After says."""

    retry_after: float | None


class Gate(Protocol):
    """What lets requests in: None, or how one was turned away."""

    def enter(self, now: float) -> Turned | None: ...

    def limits(self, now: float) -> RateLimits: ...


class Open:
    """No limit."""

    def enter(self, now: float) -> Turned | None:
        return None

    def limits(self, now: float) -> RateLimits:
        return NO_LIMITS


@dataclass
class Bucket(Open):
    """A token bucket, full at the start; ``tells`` puts truthful x-ratelimit headers on every reply."""

    rate: float
    burst: float
    retry_after: float | None = 1.0
    tells: bool = False
    tokens: float = field(init=False)
    at: float = 0.0

    def __post_init__(self) -> None:
        self.tokens = self.burst

    def enter(self, now: float) -> Turned | None:
        self._refill(now)
        if self.tokens < 1:
            return Turned(self.retry_after)
        self.tokens -= 1
        return None

    def limits(self, now: float) -> RateLimits:
        if not self.tells:
            return NO_LIMITS
        self._refill(now)
        return RateLimits(RateLimit(self.burst, math.floor(self.tokens), (self.burst - self.tokens) / self.rate), None)

    def _refill(self, now: float) -> None:
        self.tokens = min(self.burst, self.tokens + (now - self.at) * self.rate)
        self.at = now


@dataclass
class FixedWindow(Open):
    """So many in each window of the clock; ``rest`` says the exact rest of the window in Retry-After."""

    most: int
    seconds: float = 1.0
    phase: float = 0.0
    retry_after: float | None = 1.0
    rest: bool = False
    tells: bool = False
    window: float = -1.0
    used: int = 0

    def enter(self, now: float) -> Turned | None:
        self._roll(now)
        if self.used >= self.most:
            return Turned(self._left(now) if self.rest else self.retry_after)
        self.used += 1
        return None

    def limits(self, now: float) -> RateLimits:
        if not self.tells:
            return NO_LIMITS
        self._roll(now)
        return RateLimits(RateLimit(self.most, self.most - self.used, self._left(now)), None)

    def _roll(self, now: float) -> None:
        window = (now + self.phase) // self.seconds
        if window != self.window:
            self.window, self.used = window, 0

    def _left(self, now: float) -> float:
        return self.seconds - (now + self.phase) % self.seconds


@dataclass
class SlidingWindow(Open):
    """So many in any window; ``rest`` says in Retry-After when the oldest leaves it."""

    most: int
    seconds: float = 1.0
    retry_after: float | None = 1.0
    rest: bool = False
    entered: deque[float] = field(default_factory=deque)

    def enter(self, now: float) -> Turned | None:
        while self.entered and self.entered[0] <= now - self.seconds:
            self.entered.popleft()
        if len(self.entered) >= self.most:
            return Turned(self.entered[0] + self.seconds - now if self.rest else self.retry_after)
        self.entered.append(now)
        return None


@dataclass
class Penalty(Open):
    """A bucket that, once overdrawn, turns everybody away for ``seconds()``; each 429 says the rest."""

    bucket: Bucket
    seconds: Callable[[], float]
    shut_until: float = -1.0
    closures: list[tuple[float, float]] = field(default_factory=list)

    def enter(self, now: float) -> Turned | None:
        if now >= self.shut_until and self.bucket.enter(now) is not None:
            self.shut_until = now + self.seconds()
            self.closures.append((now, self.shut_until))
        return Turned(self.shut_until - now) if now < self.shut_until else None


@dataclass
class Intermittent(Open):
    """Shut at times of its own, whatever is sent: for the last ``shut`` of each ``period`` seconds."""

    period: float
    shut: float
    retry_after: float | None = None

    def enter(self, now: float) -> Turned | None:
        return Turned(self.retry_after) if now % self.period >= self.period - self.shut else None


@dataclass
class Changing(Open):
    """Another gate from each of the given times on."""

    gates: list[tuple[float, Gate]]

    def enter(self, now: float) -> Turned | None:
        return next(gate for since, gate in reversed(self.gates) if now >= since).enter(now)


class Hiccups:
    """The moments when a loop stands still."""

    def __init__(self, draw: random.Random) -> None:
        self._draw = draw
        self._next = [draw.expovariate(often) for often, _, _ in HICCUPS]
        self._still_until = 0.0

    def over(self, at: float) -> float:
        """Return when what is due then can happen. Asked in the order of time, or almost."""
        for kind, (often, least, most) in enumerate(HICCUPS):
            while self._next[kind] <= at:
                self._still_until = max(self._still_until, self._next[kind] + self._draw.uniform(least, most))
                self._next[kind] += self._draw.expovariate(often)
        return max(at, self._still_until)


@dataclass
class Client:
    """One closed loop; ``pace`` None sends as fast as it can."""

    requests: int
    in_flight: int
    pace: AdaptivePace | None
    answered: int = 0
    flying: int = 0
    sends: int = 0
    turned_away: list[float] = field(default_factory=list)
    sent_at: list[float] = field(default_factory=list)
    waited: float = 0.0
    done_at: float = 0.0
    fresh: int = field(init=False)
    again: list[float] = field(default_factory=list)
    busy_until: float = 0.0
    wake_at: float = math.inf
    heard: deque[tuple[Any, ...]] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self.fresh = self.requests

    def let_in(self, since: float, until: float) -> int:
        """Return how many sends of this span were not turned away; exact but for those on their way at its ends."""
        return sum(since <= at < until for at in self.sent_at) - sum(since <= at < until for at in self.turned_away)


@dataclass
class Simulation:
    """A gate, faults at random, and clients.

    Args:
        gate: the server's limit.
        seed: of everything random.
        latency: seconds of an answer, with ``jitter`` as a share of it.
        p429: share of sends turned away at random, with Retry-After 1.
        p500: share of sends that fail, to be tried again half a second later.
        late: a 429 takes as long as an answer.
    """

    gate: Gate
    seed: int
    latency: float = 0.2
    jitter: float = 0.05
    p429: float = 0.0
    p500: float = 0.0
    late: bool = False

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._server = Hiccups(random.Random(self.seed + 0.25))
        self._client = Hiccups(random.Random(self.seed + 0.5))
        self._events: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._order: Iterator[int] = itertools.count()
        self.now = 0.0

    def run(self, *clients: Client, until: float = 600.0) -> None:
        for client in clients:
            self._at(self._random.uniform(0, 0.01) if len(clients) > 1 else 0.0, self._pump, client)
        while self._events and self._events[0][0] < until:
            self.now, _, call, arguments = heapq.heappop(self._events)
            call(*arguments)
            if all(client.answered >= client.requests for client in clients):
                return

    def _at(self, when: float, call: Callable[..., None], *arguments: Any) -> None:
        heapq.heappush(self._events, (when, next(self._order), call, arguments))

    def _pump(self, client: Client) -> None:
        """Do one thing: hear a reply, or send what may be sent."""
        if self.now < client.busy_until:
            return
        if (over := self._client.over(self.now)) > self.now:
            client.busy_until = over
            self._at(over, self._pump, client)
            return
        if client.heard:
            self._handle(client, *client.heard.popleft())
            return
        if client.flying >= client.in_flight or not self._ready(client):
            return
        if client.pace:
            client.pace.left(client.fresh + len(client.again))
        delay = client.pace.delay(self.now, client.flying) if client.pace else 0.0
        if delay > 0:
            client.waited += delay if client.wake_at == math.inf else 0.0
            wake_at = self.now + delay + self._random.uniform(0, TIMER_SECONDS)
            if not self.now < client.wake_at <= wake_at:
                client.wake_at = wake_at
                self._at(wake_at, self._wake, client)
            return
        self._send(client)

    def _wake(self, client: Client) -> None:
        if self.now >= client.wake_at:
            client.wake_at = math.inf
            self._at(max(self.now, client.busy_until), self._pump, client)

    def _ready(self, client: Client) -> bool:
        return client.fresh > 0 or bool(client.again and client.again[0] <= self.now)

    def _send(self, client: Client) -> None:
        if client.again and client.again[0] <= self.now:
            heapq.heappop(client.again)
        else:
            client.fresh -= 1
        client.flying += 1
        client.sends += 1
        client.sent_at.append(self.now)
        if client.pace:
            client.pace.sent(self.now)
        client.busy_until = self.now + SEND_SECONDS
        arrives = client.busy_until + self._random.uniform(0.5, 1.5) * WAY_SECONDS
        self._at(self._server.over(arrives), self._arrive, client, self.now)
        self._at(client.busy_until, self._pump, client)

    def _arrive(self, client: Client, sent_at: float) -> None:
        turned = Turned(1.0) if self._random.random() < self.p429 else self.gate.enter(self.now)
        fails = turned is None and self._random.random() < self.p500
        seconds = self.latency * self._random.uniform(1 - self.jitter, 1 + self.jitter)
        if turned is not None and not self.late:
            seconds = math.exp(self._random.uniform(*map(math.log, TURNING_AWAY_SECONDS)))
        reply = (turned, fails, self.gate.limits(self.now))
        self._at(self.now + seconds + WAY_SECONDS, self._hear, client, sent_at, *reply)

    def _hear(self, client: Client, sent_at: float, turned: Turned | None, fails: bool, limits: RateLimits) -> None:
        client.heard.append((sent_at, turned, fails, limits))
        self._pump(client)

    def _handle(self, client: Client, sent_at: float, turned: Turned | None, fails: bool, limits: RateLimits) -> None:
        client.busy_until = self.now + REPLY_SECONDS
        client.flying -= 1
        if turned is not None:
            client.turned_away.append(self.now)
            self._later(client, 0.5 if turned.retry_after is None else turned.retry_after)
        elif fails:
            self._later(client, 0.5 * self._random.uniform(0.5, 1.0))
        else:
            client.answered += 1
            client.done_at = self.now
        if client.pace:
            self._tell(client.pace, client, sent_at, turned, limits)
        self._at(client.busy_until, self._pump, client)

    def _tell(
        self, pace: AdaptivePace, client: Client, sent_at: float, turned: Turned | None, limits: RateLimits
    ) -> None:
        if turned is not None:
            pace.turned_away(sent_at, self.now, turned.retry_after)
        else:
            pace.accepted(sent_at, self.now)
        if limits is not NO_LIMITS:
            pace.told(self.now, client.flying, limits)

    def _later(self, client: Client, seconds: float) -> None:
        heapq.heappush(client.again, self.now + seconds)
        self._at(self.now + seconds, self._pump, client)
