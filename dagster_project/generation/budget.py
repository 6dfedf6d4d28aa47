"""What answers cost, and a limit that is never exceeded.

Belongs here: prices times tokens, and holding money back for requests under way. Does not
belong here: who set the limit, or what is done about requests that were not asked.
"""

from __future__ import annotations

import asyncio

from dagster_project.generation.requests import Request
from dagster_project.settings.models import Prices

TOKENS_AROUND_A_MESSAGE = 16
"""Allowance for the marks that a chat template puts around each message."""


def cost_usd(prices: Prices, prompt_tokens: int | None, completion_tokens: int | None) -> float:
    """Return what one answer cost, in US dollars; tokens that the server did not count are free."""
    return (
        (prompt_tokens or 0) * prices.input_usd_per_million + (completion_tokens or 0) * prices.output_usd_per_million
    ) / 1_000_000


def highest_cost_usd(prices: Prices, request: Request) -> float:
    """Return a bound that the cost of a request stays under, in US dollars.

    A token is at least one byte of text, and an answer has at most ``max_tokens``.
    """
    prompt_tokens = sum(len(message["content"].encode()) + TOKENS_AROUND_A_MESSAGE for message in request.messages)
    return cost_usd(prices, prompt_tokens, request.body["max_tokens"])


class Budget:
    """Money for one run: before a request is sent, the most that it can cost is held back."""

    def __init__(self, prices: Prices, max_usd: float | None) -> None:
        self.prices = prices
        self.spent_usd = 0.0
        self._max_usd = max_usd
        self._held: dict[str, float] = {}
        self._freed = asyncio.Condition()

    async def hold(self, request: Request) -> bool:
        """Hold money for a request back; say False if there is not enough left for it.

        Waits while requests under way may turn out cheaper than what is held for them.
        """
        if self._max_usd is None:
            return True
        amount = highest_cost_usd(self.prices, request)
        async with self._freed:
            while self.spent_usd + sum(self._held.values()) + amount > self._max_usd:
                if not self._held:
                    return False
                await self._freed.wait()
            self._held[request.request_hash] = amount
        return True

    async def release(self, request: Request, spent_usd: float) -> None:
        """Let go of what was held for a request, and book what it cost."""
        self.spent_usd += spent_usd
        if self._max_usd is None:
            return
        async with self._freed:
            self._held.pop(request.request_hash, None)
            self._freed.notify_all()
