"""The lake as a Dagster resource."""

from __future__ import annotations

from pathlib import Path

import dagster as dg

from dagster_project.lake import Lake


class LakeResource(dg.ConfigurableResource[Lake]):
    """The lake under a folder."""

    root: str

    @property
    def lake(self) -> Lake:
        """The lake itself."""
        return Lake(Path(self.root))
