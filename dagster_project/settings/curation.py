"""`config/curation.yaml`: which prompts enter."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from dagster_project.settings.slugs import Slug
from dagster_project.settings.yaml_file import Strict


class Length(Strict):
    """Characters over all turns of a prompt, both bounds included."""

    min_chars: int = Field(default=8, ge=1)
    max_chars: int = Field(default=8_000, ge=1)
    max_turns: int = Field(default=10, ge=1, description="user turns")

    @model_validator(mode="after")
    def _is_upright(self) -> Self:
        if self.min_chars > self.max_chars:
            raise ValueError(f"min_chars ({self.min_chars}) is more than max_chars ({self.max_chars})")
        return self


class Selection(Strict):
    """How many kept prompts of a batch go on. Raising the target adds prompts and removes none."""

    target: int | None = Field(default=None, ge=1, description="prompts a batch; null takes all")
    multi_turn_share: float = Field(default=0.29, ge=0, le=1)
    seed: int = 1


class CurationFile(Strict):
    """The whole file. ``completion_model`` writes the assistant turns of multi-turn prompts."""

    length: Length = Length()
    selection: Selection = Selection()
    completion_model: Slug
