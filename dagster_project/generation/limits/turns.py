"""Whose turn it is: one at a time, the lowest rank of those who wait first."""

from __future__ import annotations

import asyncio
import heapq
import itertools


class Turns:
    """Gives turns by rank: an early cell is finished before a later one gets more than what the early one leaves."""

    def __init__(self) -> None:
        self._taken = False
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()

    async def take(self, rank: int) -> None:
        """Return when it is this one's turn, until `give_up`; replies are heard between two sends."""
        if self._taken:
            await self._wait(rank)
            return
        self._taken = True
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            self.give_up()
            raise
        if self._waiting and self._waiting[0][0] < rank:
            self.give_up()
            await self._wait(rank)

    def give_up(self) -> None:
        """Let the next one have the turn."""
        if self._waiting:
            # Whoever had the turn may ask for the next one first, and is to get it if nobody ranks before.
            asyncio.get_running_loop().call_soon(self._grant_next)
        else:
            self._taken = False

    async def _wait(self, rank: int) -> None:
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (rank, next(self._numbers), granted))
        try:
            await granted
        except asyncio.CancelledError:
            if granted.done() and not granted.cancelled():
                self._grant_next()
            raise

    def _grant_next(self) -> None:
        while self._waiting:
            _, _, granted = heapq.heappop(self._waiting)
            if not granted.done():
                granted.set_result(None)
                return
        self._taken = False
