"""Amounts of US dollars as options of commands, and what is left of a command's money."""

from __future__ import annotations

import math

import typer


def amount_of_usd(amount: float | None) -> float | None:
    """Take an amount that a user gave.

    Raises:
        typer.BadParameter: it is no amount of money that could be spent.
    """
    if amount is None or 0 <= amount < math.inf:
        return amount
    raise typer.BadParameter("give an amount of US dollars, 0 or more; leave it out for no limit")


def left(max_usd: float | None, spent_usd: float) -> float | None:
    """Return what is left of an amount; None if there is no limit."""
    return None if max_usd is None else max(0.0, max_usd - spent_usd)
