"""Amounts of US dollars as options of commands, and what the runs of a command may spend of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from dagster_project.partitions import CellRange

OPTION = "`--max-usd`"


def amount_of_usd(amount: float | None) -> float | None:
    """Take an amount that a user gave.

    Raises:
        typer.BadParameter: it is no amount of money that could be spent.
    """
    if amount is None or 0 <= amount < math.inf:
        return amount
    raise typer.BadParameter("give an amount of US dollars, 0 or more; leave it out for no limit")


@dataclass(frozen=True)
class Allowance:
    """What a run may spend, in US dollars, and what messages call it; None for no limit."""

    usd: float | None
    name: str = OPTION

    def share(self, parts: int, of_parts: int) -> Allowance:
        """Return some of several equal parts of it."""
        if self.usd is None or parts == of_parts:
            return self
        return Allowance(self.usd * parts / of_parts, f"a share of {OPTION}")

    def share_of(self, cells: CellRange, still: Sequence[CellRange]) -> Allowance:
        """Return the share of a run, of those that are still to come, itself the first: by cells, for equal batches."""
        return self.share(len(cells), sum(len(each) for each in still if each.prompt_batches == cells.prompt_batches))


NO_LIMIT = Allowance(None)


def left(max_usd: float | None, spent_usd: float) -> Allowance:
    """Return what is left of an amount for the next run of a command."""
    if max_usd is None or not spent_usd:
        return Allowance(max_usd)
    return Allowance(max(0.0, max_usd - spent_usd), f"what is left of {OPTION}")
