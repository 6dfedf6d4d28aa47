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

    def share_of(self, cells: CellRange, still: Sequence[CellRange]) -> Allowance:
        """Return the share of the first of the runs that are still to come: equal for each cell of the same batches."""
        sharing = sum(len(each) for each in still if each.prompt_batches == cells.prompt_batches)
        if self.usd is None or len(cells) == sharing:
            return self
        return Allowance(self.usd * len(cells) / sharing, f"a share of {OPTION}")


NO_LIMIT = Allowance(None)


def left(max_usd: float | None, spent_usd: float) -> Allowance:
    """Return what is left of an amount for the next run of a command."""
    if max_usd is None or not spent_usd:
        return Allowance(max_usd)
    return Allowance(max(0.0, max_usd - spent_usd), f"what is left of {OPTION}")
