"""The configuration as a Dagster resource, read anew in each run."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import dagster as dg
from pydantic import ConfigDict

from dagster_project.settings import Home, Settings


class SettingsResource(dg.ConfigurableResource[Settings]):
    """The configuration in a folder, for a home."""

    model_config = ConfigDict(ignored_types=(cached_property,))

    folder: str
    home: str

    @property
    def settings(self) -> Settings:
        """The typed settings."""
        return Settings(Path(self.folder), Home(Path(self.home)))
