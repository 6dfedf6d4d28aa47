"""How far the asking for a cell has come, for whoever follows it in the cell's order.

Belongs here: which requests are still open, and the answers that came last. Does not belong here: asking, and finding
answers that are not at hand (`known`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Set
from contextlib import suppress

from dagster_project.generation.answers import Answer

MOST_AT_HAND = 1024
"""Answers that are kept for the follower; if it has to wait long for a slow one, it reads the others back."""
PAUSE_SECONDS = 0.02
"""A list takes the follower a third of that: where it has thousands to catch up with, asking goes on all the same."""


class Following:
    """Between a cell that is asked for, list of requests after list, and its follower, who takes list after list.

    A request is open until the cell has settled it; if another cell does, to the end.
    """

    def __init__(self) -> None:
        self._begun = asyncio.Event()
        self._over = asyncio.Event()
        self._progress = asyncio.Event()
        self._lists_passed = 0
        self._lists_taken = 0
        self._open: set[str] = set()
        self._awaited: set[str] = set()
        self._at_hand: dict[str, Answer] = {}

    # What the cell says.

    def passed(self, still_open: Set[str]) -> None:
        """Take that the next list has been looked through, and which of its requests are open, by hash."""
        self._lists_passed += 1
        self._open |= still_open
        self._progress.set()

    def settled(self, answer: Answer) -> None:
        """Take that one request is settled: its answer is on the disk, or it was given up."""
        self._begun.set()
        key = answer.request_hash
        self._open.discard(key)
        if answer.answered_at and len(self._at_hand) < MOST_AT_HAND:
            self._at_hand[key] = answer
        if key in self._awaited:
            self._awaited.remove(key)
            if not self._awaited:
                self._progress.set()

    def over(self) -> None:
        """Take that nothing more will be settled."""
        self._over.set()
        self._begun.set()
        self._progress.set()

    # What the follower asks.

    @property
    def is_over(self) -> bool:
        """Whether nothing more will be settled."""
        return self._over.is_set()

    async def begun(self) -> None:
        """Return when the first request is settled."""
        await self._begun.wait()

    async def ended(self) -> None:
        """Return when nothing more will be settled."""
        await self._over.wait()

    async def pause(self) -> None:
        """Leave the event loop to those who ask: for a moment, or for one round when all is over."""
        if self.is_over:
            await asyncio.sleep(0)
            return
        with suppress(TimeoutError):
            await asyncio.wait_for(self.ended(), PAUSE_SECONDS)

    async def take(self, hashes: Collection[str]) -> dict[str, Answer]:
        """Return when none of the next list is open, or all is over; give those of its answers that are at hand."""
        self._lists_taken += 1
        while not self.is_over:
            self._awaited = self._open.intersection(hashes)
            if self._lists_passed >= self._lists_taken and not self._awaited:
                break
            self._progress.clear()
            await self._progress.wait()
        return {key: self._at_hand.pop(key) for key in set(hashes) if key in self._at_hand}
