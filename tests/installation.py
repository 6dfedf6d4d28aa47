"""A home and its configuration, as tests hand them on."""

from __future__ import annotations

from dataclasses import dataclass

from dagster_project.lake import Lake
from dagster_project.settings import Home, Settings


@dataclass(frozen=True)
class Installation:
    """A home and its configuration."""

    settings: Settings

    @property
    def home(self) -> Home:
        return self.settings.home

    @property
    def lake(self) -> Lake:
        return Lake(self.home.lake)

    def again(self) -> Installation:
        """The same, read anew."""
        return Installation(Settings(self.settings.folder, self.home))

    def prompt_id(self, text: str) -> str:
        """The id of the prompt whose first turn is this text."""
        rows = self.lake.read("curated_prompts").to_dicts()
        return next(str(row["prompt_id"]) for row in rows if row["messages"] and row["messages"][0]["content"] == text)
