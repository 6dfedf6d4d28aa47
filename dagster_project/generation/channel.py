"""The way to one model: its connection, its gate, its money, and whether it still works.

Belongs here: what all cells of a process share that ask the same model. Does not belong here: asking (`asking`,
`batches`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from dagster_project.errors import SteerworksError
from dagster_project.generation.answers import AnswersOf
from dagster_project.generation.endpoints import Connection
from dagster_project.generation.limits.budget import Budget
from dagster_project.generation.limits.gate import Gate
from dagster_project.generation.limits.turns import Turns
from dagster_project.generation.replies import Fault
from dagster_project.settings import ModelSpec

KEPT = "The answers so far are kept, and will not be asked for again."


MOST_SECONDS_AWAY = 30.0
"""How long an endpoint is waited for that was heard before: long enough for a server to be started again."""
MOST_SECONDS_UNHEARD = 5.0
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 4.0


class Outage:
    """Whether an endpoint is away: a connection failed, and nobody has heard from it since that was tried.

    Until it is heard again, one request at a time knocks, after growing pauses. Times are by the loop's clock.

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
            pause = self._next_knock - asyncio.get_running_loop().time()
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


class Stoppable(Protocol):
    """Asks a model, and can be told to stop; ``left`` requests are not settled yet, at most."""

    left: int

    def stop(self, failure: BaseException) -> None:
        """Send nothing more."""


class Channel:
    """The way to one model, for all cells of this process that ask it; ``say`` tells why nothing happens for now.

    Attributes:
        outage: whether the endpoint is away.
        given_up: requests whose tries were used up since the last one that was settled.
        failure: why no request to the model can succeed for now.
        batches_are_full: whether the provider's Batch API said that it takes no more for now.
    """

    def __init__(
        self,
        model: str,
        spec: ModelSpec,
        connection: Connection,
        gate: Gate,
        budget: Budget,
        say: Callable[[str], None],
    ) -> None:
        self.model = model
        self.spec = spec
        self.connection = connection
        self.gate = gate
        self.budget = budget
        self.say = say
        self.turns = Turns()
        self.answers = AnswersOf(spec)
        self.outage = Outage()
        self.given_up = 0
        self.failure: SteerworksError | None = None
        self.batches_are_full = False
        self._broken_in_a_row = 0
        self._askers: set[Stoppable] = set()

    def join(self, asker: Stoppable) -> None:
        """Take part: be told when the model fails."""
        self._askers.add(asker)

    def leave(self, asker: Stoppable) -> None:
        """Take part no longer."""
        self._askers.discard(asker)

    @property
    def left(self) -> int:
        """Requests to this model that are not under way yet, at most."""
        return sum(asker.left for asker in self._askers) - self.gate.in_flight

    def fail(self, problem: str) -> None:
        """Stop all that ask this model, with one message."""
        self.failure = SteerworksError(f"{self._name} {problem}. {KEPT}")
        for asker in list(self._askers):
            asker.stop(self.failure)

    def heard(self, now: float) -> None:
        """Take it that the endpoint said something."""
        self._broken_in_a_row = 0
        self.outage.heard(now)

    def unheard(self, sent_at: float, now: float, fault: Fault) -> None:
        """Take it that a request, sent at some time, brought no reply; say so once it was knocked at in vain."""
        knocks = self.outage.knocks
        self.outage.unheard(sent_at, now)
        if fault.connection_failed:
            self._broken_in_a_row += 1
            # Where some connections break, others bring replies; only if as many broke as are left is nobody there.
            is_sure = fault.never_sent or self._broken_in_a_row >= self.gate.in_flight
            self.outage.failed(sent_at, now, is_sure)
        if knocks == 0 and self.outage.knocks == 1:
            self.say(
                f"{self._name} cannot be reached ({fault.reason}: {fault.detail}); waiting for it, "
                f"{self.outage.most_seconds:.0f} seconds at most"
            )

    @property
    def _name(self) -> str:
        return f"model `{self.model}`: the endpoint `{self.connection.name}` at {self.connection.address}"
