"""The way to one model: its connection, its gate, its money, and whether it still works.

Belongs here: what all cells of a process share that ask the same model. Does not belong here: asking (`asking`,
`batches`).
"""

from __future__ import annotations

from typing import Protocol

from dagster_project.errors import SteerworksError
from dagster_project.generation.answers import AnswersOf
from dagster_project.generation.endpoints import Connection
from dagster_project.generation.limits.budget import Budget
from dagster_project.generation.limits.gate import Gate
from dagster_project.generation.limits.turns import Turns
from dagster_project.settings import ModelSpec

KEPT = "The answers so far are kept, and will not be asked for again."


class Stoppable(Protocol):
    """Asks a model, and can be told to stop; ``left`` requests are not settled yet, at most."""

    left: int

    def stop(self, failure: BaseException) -> None:
        """Send nothing more."""


class Channel:
    """The way to one model, for all cells of this process that ask it.

    Attributes:
        last_heard: when the endpoint last said anything, by the loop's clock.
        given_up: requests whose tries were used up since the last one that was settled.
        failure: why no request to the model can succeed for now.
        batches_are_full: whether the provider's Batch API said that it takes no more for now.
    """

    def __init__(self, model: str, spec: ModelSpec, connection: Connection, gate: Gate, budget: Budget) -> None:
        self.model = model
        self.spec = spec
        self.connection = connection
        self.gate = gate
        self.budget = budget
        self.turns = Turns()
        self.answers = AnswersOf(spec)
        self.last_heard: float | None = None
        self.given_up = 0
        self.failure: SteerworksError | None = None
        self.batches_are_full = False
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

    @property
    def _name(self) -> str:
        return f"model `{self.model}`: the endpoint `{self.connection.name}` at {self.connection.address}"
