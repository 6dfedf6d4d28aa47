"""`config/campaigns.yaml`: which responses are compared, by whom, under which rubric and policy."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from dagster_project.settings.attribute_names import RUBRIC_FILE
from dagster_project.settings.slugs import Slug
from dagster_project.settings.yaml_file import Strict


class Pairing(Strict):
    """Which responses to a prompt become tasks: ``pairs_per_prompt`` seeded pairs of different models.

    With a ``baseline`` every pair has its response. ``weights`` make a mix: a pair is drawn by the product of its
    models' weights, 1 where none is given.
    """

    prompt_batches: tuple[Slug, ...] = Field(min_length=1)
    models: tuple[Slug, ...] | None = Field(default=None, description="null: every configured model")
    pairs_per_prompt: int = Field(default=1, ge=1)
    baseline: Slug | None = None
    weights: dict[Slug, Annotated[float, Field(gt=0, le=1000)]] = Field(default_factory=dict)
    seed: int = 1

    @model_validator(mode="after")
    def _names_its_models(self) -> Self:
        named = [*self.weights, *([self.baseline] if self.baseline else [])]
        if self.models is not None and (strangers := sorted(set(named) - set(self.models))):
            raise ValueError(
                f"`baseline` and `weights` name models that `models` does not have: {', '.join(strangers)}"
            )
        return self


class Campaign(Strict):
    """A set of tasks sent to one vendor under one guideline version.

    Models rate beside people only where ``with_models`` names the vendor of kind `model` that they are of.

    Its tasks are either paired from generated responses (``pairing``) or read from a file of
    responses that exist already (``imported``, a path from the project's root).
    """

    vendor: Slug
    with_models: Slug | None = Field(default=None, description="vendor of kind `model` whose ratings count as well")
    guideline_version: str = Field(min_length=1)
    pairing: Pairing | None = None
    imported: str | None = None
    annotators_per_task: int = Field(default=3, ge=1, le=15)
    repeat_share: float = Field(default=0, ge=0, le=0.5, description="of the tasks, shown a second time as a control")
    gold: str | None = Field(default=None, description="file of tasks whose ratings are known, from the project's root")
    max_usd: float | None = Field(default=None, gt=0, description="what all orders together may cost")
    rubric: str = Field(default=RUBRIC_FILE, description="file in the configuration folder")
    policy: str = Field(default="agreement.yaml", description="file in the configuration folder")

    @property
    def vendors(self) -> tuple[str, ...]:
        """Those whose ratings count: the vendor whom the tasks are sent to, and models where it says so."""
        return (self.vendor, self.with_models) if self.with_models else (self.vendor,)

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if (self.pairing is None) == (self.imported is None):
            raise ValueError("a campaign needs either `pairing` or `imported`, and not both")
        return self


class CampaignsFile(Strict):
    """The whole file."""

    campaigns: dict[Slug, Campaign] = Field(default_factory=dict)
