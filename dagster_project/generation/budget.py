"""What answers cost, and a limit that is never exceeded.

Belongs here: prices times tokens, and holding money back for requests under way. Does not
belong here: who set the limit, or what is done about requests that were not asked.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from dagster_project.generation.requests import Request
from dagster_project.settings.models import Prices

TOKENS_AROUND_A_MESSAGE = 16
"""Allowance for the marks that a chat template puts around each message."""


def cost_usd(prices: Prices, prompt_tokens: int, completion_tokens: int) -> float:
    """Return what one answer cost, in US dollars."""
    return (
        prompt_tokens * prices.input_usd_per_million + completion_tokens * prices.output_usd_per_million
    ) / 1_000_000


def highest_cost_usd(prices: Prices, request: Request) -> float:
    """Return a bound that the cost of a request stays under, in US dollars.

    A token is at least one byte of text, and an answer has at most ``max_tokens``.
    """
    prompt_tokens = sum(len(message["content"].encode()) + TOKENS_AROUND_A_MESSAGE for message in request.messages)
    return cost_usd(prices, prompt_tokens, request.body["max_tokens"])


@dataclass
class Purse:
    """The money of one run, shared by all its cells, also those that fail; ``max_usd`` is None for no limit."""

    max_usd: float | None = None
    spent_usd: float = 0.0

    def covers(self, usd: float) -> bool:
        """Say whether so much more may be spent; what is free always may."""
        return self.max_usd is None or usd == 0 or self.spent_usd + usd <= self.max_usd


class Budget:
    """One model's hand in the purse: before a request is sent, the most that it can cost is held back."""

    def __init__(self, prices: Prices, purse: Purse) -> None:
        self._prices = prices
        self._purse = purse
        self._held: dict[str, float] = {}
        self._freed = asyncio.Condition()

    async def hold(self, request: Request) -> bool:
        """Hold money for a request back; say False if there is not enough left for it.

        Waits while requests under way may turn out cheaper than what is held for them.
        """
        if self._purse.max_usd is None:
            return True
        amount = highest_cost_usd(self._prices, request)
        async with self._freed:
            while not self._purse.covers(sum(self._held.values()) + amount):
                if not self._held:
                    return False
                await self._freed.wait()
            self._held[request.request_hash] = amount
        return True

    async def release(self, request: Request, spent_usd: float) -> None:
        """Let go of what was held for a request, and book what it cost."""
        self._purse.spent_usd += spent_usd
        if self._purse.max_usd is None:
            return
        async with self._freed:
            self._held.pop(request.request_hash, None)
            self._freed.notify_all()

    def abandon(self) -> None:
        """Book what is still held: a request that was given up on its way may be paid for all the same."""
        self._purse.spent_usd += sum(self._held.values())
        self._held.clear()
