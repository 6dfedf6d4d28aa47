"""What answers cost: prices times tokens."""

from __future__ import annotations

from dagster_project.generation.requests import Request
from dagster_project.settings.models import Prices


def cost_usd(prices: Prices, prompt_tokens: int, completion_tokens: int) -> float:
    """Return what one answer cost, in US dollars."""
    return (
        prompt_tokens * prices.input_usd_per_million + completion_tokens * prices.output_usd_per_million
    ) / 1_000_000


def highest_cost_usd(prices: Prices, request: Request) -> float:
    """Return a bound that the cost of a request stays under, in US dollars; an answer has at most ``max_tokens``."""
    return 0.0 if prices.are_zero else cost_usd(prices, request.most_prompt_tokens, request.max_tokens)
