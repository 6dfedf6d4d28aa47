"""What a run may spend on models: the run configuration of both assets that ask them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import dagster as dg
from pydantic import Field

if TYPE_CHECKING:
    from dagster_project.generation import Progress, Purse


class Spending(dg.Config):
    """The money of one run, over all its partitions."""

    max_usd: float | None = Field(
        default=None,
        ge=0,
        allow_inf_nan=False,
        description="stop asking when this much is spent; null: no limit",
    )
    limit_name: str = Field(default="`max_usd` of this run", description="what messages call this limit")

    @contextmanager
    def purse(self, reporter: Progress) -> Iterator[Purse]:
        """Give the run's purse; the reporter is told what was spent, however the block ends."""
        from dagster_project.generation import Purse  # noqa: PLC0415 - loads slowly

        purse = Purse(self.max_usd, limit_name=self.limit_name)
        try:
            yield purse
        finally:
            reporter.spent(purse.spent_usd, purse.ran_short)
