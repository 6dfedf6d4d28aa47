"""`config/releases/<version>.yaml`: what goes into a release."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field, StringConstraints

from dagster_project.settings.slugs import Slug
from dagster_project.settings.version_names import VERSION_PATTERN
from dagster_project.settings.yaml_file import Strict

Version = Annotated[str, StringConstraints(pattern=VERSION_PATTERN)]
ExportName = Literal["helpsteer2", "helpsteer3", "pairs", "nemo-rl", "nemo-aligner", "axolotl", "annotators"]
EXPORT_NAMES: tuple[ExportName, ...] = get_args(ExportName)


class ReleaseSpec(Strict):
    """The campaigns, the parent and the terms of one release."""

    campaigns: tuple[Slug, ...] = Field(min_length=1)
    parent: Version | None = None
    name: str = Field(min_length=1, description="the data set's pretty name on its card")
    licence: str = Field(min_length=1, description="the Hub's licence identifier, such as cc-by-4.0")
    languages: tuple[str, ...] = Field(default=("en",), min_length=1, description="ISO 639 codes, for the card")
    validation_share: float = Field(default=0.05, ge=0, lt=1)
    seed: int = 1
    exports: tuple[ExportName, ...] = Field(
        default=EXPORT_NAMES, description="shapes for trainers; each repeats all text once more"
    )
