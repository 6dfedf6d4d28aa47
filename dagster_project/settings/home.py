"""Where everything lands: the folders under STEERWORKS_HOME."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from dagster_project.project import PROJECT_ROOT


@dataclass(frozen=True)
class Home:
    """The working folder of one installation."""

    root: Path

    @classmethod
    def from_environment(cls) -> Home:
        """Return the home that STEERWORKS_HOME names; ``./var`` of the project otherwise."""
        return cls(Path(os.environ.get("STEERWORKS_HOME") or PROJECT_ROOT / "var").resolve())

    @property
    def lake(self) -> Path:
        """Parquet tables and the journals of generation."""
        return self.root / "lake"

    @property
    def inbox(self) -> Path:
        """``inbox/<vendor>/``: deliveries not taken in yet; ``inbox/prompts/<batch>/``: prompts as delivered."""
        return self.root / "inbox"

    @property
    def outbox(self) -> Path:
        """``outbox/<vendor>/<campaign>/``: tasks and guidelines for vendors."""
        return self.root / "outbox"

    @property
    def vault(self) -> Path:
        """Raw deliveries and the map from pseudonym to worker; mode 0700."""
        return self.root / "vault"

    @property
    def releases(self) -> Path:
        """``releases/<version>/``."""
        return self.root / "releases"

    @property
    def dagster(self) -> Path:
        """Dagster's own storage (DAGSTER_HOME)."""
        return self.root / "dagster"
