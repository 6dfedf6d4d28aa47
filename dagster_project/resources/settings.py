"""The configuration as a Dagster resource, read anew in each step."""

from __future__ import annotations

from pathlib import Path

import dagster as dg

from dagster_project.settings import Home, Settings


class SettingsResource(dg.ConfigurableResource[Settings]):
    """The configuration in a folder, for a home."""

    folder: str
    home: str

    @property
    def settings(self) -> Settings:
        """The typed settings, whose files are read when they are first asked for; a step takes them once."""
        return Settings(Path(self.folder), Home(Path(self.home)))
