"""The way to one model: its connection, its gate, its money, and whether it still works.

Belongs here: what all cells of a process share that ask the same model. Does not belong here: asking (`asking`,
`batches`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from dagster_project.errors import SteerworksError
from dagster_project.generation.answers import AnswersOf
from dagster_project.generation.endpoints import Connection
from dagster_project.generation.limits.budget import Budget
from dagster_project.generation.limits.gate import Gate
from dagster_project.generation.limits.turns import Turns
from dagster_project.generation.outage import Outage
from dagster_project.generation.replies import Fault
from dagster_project.settings import ModelSpec

KEPT = "The answers so far are kept, and will not be asked for again."


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
        handing_in: the batches that are being handed in; if one is not taken, its money is there for others.
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
        self.handing_in: set[asyncio.Event] = set()
        self._broken_in_a_row = 0
        self._askers: set[Stoppable] = set()

    def join(self, asker: Stoppable) -> None:
        """Take part: be told when the model fails."""
        self._askers.add(asker)

    def leave(self, asker: Stoppable) -> None:
        """Take part no longer."""
        self._askers.discard(asker)

    def asking(self) -> AbstractContextManager[None]:
        """Have a part of the run's money kept for the model while it asks, if it costs any."""
        return nullcontext() if self.spec.prices.are_zero else self.budget.asking()

    @property
    def left(self) -> int:
        """Requests to this model that are not under way yet, at most."""
        return sum(asker.left for asker in self._askers) - self.gate.in_flight

    def fail(self, problem: str) -> None:
        """Stop all that ask this model, with one message."""
        self.stop(SteerworksError(f"{self._name} {problem}. {KEPT}"))

    def stop(self, why: SteerworksError) -> None:
        """Have nothing more sent; what is under way is waited for."""
        self.failure = why
        for asker in list(self._askers):
            asker.stop(why)

    @property
    def is_in_use(self) -> bool:
        """Whether something is under way that is paid for."""
        return bool(self._askers or self.handing_in)

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
