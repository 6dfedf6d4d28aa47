"""The lake as a Dagster resource."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg

if TYPE_CHECKING:
    from dagster_project.lake import Lake


class LakeResource(dg.ConfigurableResource["Lake"]):
    """The lake under a folder."""

    root: str

    @property
    def lake(self) -> Lake:
        """The lake itself."""
        from dagster_project.lake import Lake  # noqa: PLC0415 - loads slowly

        return Lake(Path(self.root))
