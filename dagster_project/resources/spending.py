"""What a run may spend on models: the run configuration of both assets that ask them."""

from __future__ import annotations

import dagster as dg
from pydantic import Field


class Spending(dg.Config):
    """The money of one run, over all its partitions."""

    max_usd: float | None = Field(default=None, description="stop asking when this much is spent; null: no limit")
