"""What sorting gives: annotations that are accepted, and those that are broken with the rule.

Belongs here: their shape. Does not belong here: which is which (`sorting`, `sorting_lines`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import polars as pl

from dagster_project.vendors.canonical import Defect


@dataclass(frozen=True)
class Broken:
    """An annotation that breaks a rule; ``text`` is what it said, without identities."""

    campaign: str | None
    number: int
    row: int
    defect: Defect
    text: str | None = None


@dataclass
class SortedRows:
    """Some annotations of a file, by what became of them.

    ``accepted`` are rows of `deliveries`, and so are those in ``many``, one frame a campaign. ``workers`` are the
    vendor's ids behind them, ``names`` all that stood in the place of one; ``fields`` are the names of all
    fields seen. None of the three may leave the vault.
    """

    accepted: list[dict[str, Any]] = field(default_factory=list)
    many: list[pl.DataFrame] = field(default_factory=list)
    broken: list[Broken] = field(default_factory=list)
    first_campaign: str | None = None
    workers: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)
    fields: set[str] = field(default_factory=set)
