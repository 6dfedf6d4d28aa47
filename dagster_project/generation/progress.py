"""How far generation has come, told to whoever wants to show it."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """A listener; called from the thread that asks, and often, so it must be quick."""

    def update(self, model: str, done: int, failed: int, total: int, cost_usd: float) -> None:
        """Take the figures of one model: at the end ``done`` (answered) and ``failed`` add up to ``total``.

        ``cost_usd`` is what this run has spent on the model so far, in US dollars.
        """

    def waiting(self, message: str) -> None:
        """Take the reason why nothing happens for now."""


class SilentProgress:
    """Says nothing."""

    def update(self, model: str, done: int, failed: int, total: int, cost_usd: float) -> None:
        """Ignore the figures."""

    def waiting(self, message: str) -> None:
        """Ignore the reason."""
