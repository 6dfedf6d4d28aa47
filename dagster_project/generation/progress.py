"""How far generation has come, told to whoever wants to show it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class CellProgress:
    """How far one cell has come: ``done`` (answered), ``failed``, or ``in_batches`` of a provider, of ``total``.

    In the end they add up to it. ``asked`` of them were settled by this run, for ``cost_usd`` US dollars; the others
    were known before, or are ``out_of_money``: failed for now, as the money did not reach for them.
    """

    model: str
    prompt_batch: str
    done: int
    failed: int
    total: int
    asked: int
    cost_usd: float
    out_of_money: int = 0
    in_batches: int = 0

    @property
    def is_over(self) -> bool:
        """Whether every request is settled, or out."""
        return self.done + self.failed + self.in_batches >= self.total


class Progress(Protocol):
    """A listener; called from the thread that asks, a few times a second for each cell, so it must be quick."""

    def update(self, cell: CellProgress) -> None:
        """Take the figures of one cell."""

    def waiting(self, message: str) -> None:
        """Take the reason why nothing happens for now."""

    def spent(self, usd: float, ran_short: bool) -> None:
        """Take what a run spent in all, in US dollars, or has booked for what it handed in, once it is over.

        ``ran_short`` says whether its own limit left requests unasked.
        """


class SilentProgress:
    """Says nothing."""

    def update(self, cell: CellProgress) -> None:
        """Ignore the figures."""

    def waiting(self, message: str) -> None:
        """Ignore the reason."""

    def spent(self, usd: float, ran_short: bool) -> None:
        """Ignore the money."""
