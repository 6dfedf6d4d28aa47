"""`config/vendors.yaml`: who annotates, and in which format files go out and come in."""

from __future__ import annotations

import os
from typing import Literal, Self

from pydantic import Field, model_validator

from dagster_project.errors import SteerworksError
from dagster_project.settings.mappings import Mapping
from dagster_project.settings.slugs import Slug
from dagster_project.settings.yaml_file import Strict

VendorKind = Literal["human", "model", "simulated"]
DeliveryFormat = Literal["steerworks", "label-studio", "argilla", "scale"]
SIMULATED_VENDOR = "simulated"
SIMULATED_PSEUDONYM_KEY = "published: the simulated vendor employs nobody"
MODEL_PSEUDONYM_KEY = "published: a model is nobody"


class LabelStudioServer(Strict):
    """A Label Studio that annotations are pulled from; the token of its user stands in the environment."""

    url: str = Field(pattern=r"^https?://[^/?#\s@]+(/[^?#\s]*)?$")
    token_env: str = Field(default="LABEL_STUDIO_TOKEN", min_length=1)

    def token(self) -> str:
        """Return the token.

        Raises:
            SteerworksError: the environment variable is not set.
        """
        token = os.environ.get(self.token_env)
        if not token:
            raise SteerworksError(
                f"the token of Label Studio at {self.url} is not set. Take it from Account & Settings there (Legacy "
                f"Token), export it as {self.token_env}, and start again."
            )
        return token


class Vendor(Strict):
    """One vendor. ``slots: fixed`` declares that its annotator ids are the same few raters throughout.

    Its files are read by ``format``; one that names columns in its own way has a ``mapping``.
    """

    kind: VendorKind = "human"
    description: str = ""
    licence: str = Field(min_length=1)
    slots: Literal["crowd", "fixed"] = "crowd"
    pseudonym_key_env: str | None = "STEERWORKS_PSEUDONYM_KEY"
    usd_per_annotation: float = Field(default=0, ge=0)
    format: DeliveryFormat = "steerworks"
    mapping: Mapping | None = None
    server: LabelStudioServer | None = Field(default=None, description="of a vendor of the format `label-studio`")
    judges: tuple[Slug, ...] = Field(default=(), description="the models that annotate, of a vendor of kind `model`")

    @model_validator(mode="after")
    def _one_way_to_read(self) -> Self:
        if self.mapping and self.format != "steerworks":
            raise ValueError(f"a vendor has either a `mapping` or the format `{self.format}`")
        if self.server and self.format != "label-studio":
            raise ValueError("a `server` goes with the format `label-studio`")
        if (self.kind == "model") != bool(self.judges):
            raise ValueError("a vendor of kind `model` names its `judges`, slugs of models.yaml, and no other does")
        if self.kind == "model" and (self.slots != "fixed" or self.mapping or self.format != "steerworks"):
            raise ValueError("a vendor of kind `model` has `slots: fixed`, and neither a `mapping` nor a `format`")
        return self

    def pseudonym_key(self) -> str:
        """Return the key for worker pseudonyms; that of vendors who employ nobody is published.

        Raises:
            SteerworksError: the environment variable is not set.
        """
        if self.kind == "simulated":
            return SIMULATED_PSEUDONYM_KEY
        if self.kind == "model":
            return MODEL_PSEUDONYM_KEY
        key = os.environ.get(self.pseudonym_key_env or "")
        if not key:
            raise SteerworksError(
                f"worker ids become keyed pseudonyms, and the key in {self.pseudonym_key_env} is not set. "
                "Make one (`openssl rand -hex 32`), keep it for ever, export it, and start again."
            )
        return key


class VendorsFile(Strict):
    """The whole file."""

    vendors: dict[Slug, Vendor] = Field(min_length=1)
    settle_seconds: float = Field(default=2, ge=0, description="a file younger than this may still be growing")
    vault_retention_days: int = Field(default=730, ge=1)
    max_unpacked_gb: float = Field(default=20, gt=0, description="a compressed delivery that holds more is refused")

    @model_validator(mode="after")
    def _fit_their_kind(self) -> Self:
        for slug, vendor in self.vendors.items():
            if slug == "prompts":
                raise ValueError("`prompts` is the inbox folder of prompts; give the vendor another name")
            if vendor.kind == "simulated" and slug != SIMULATED_VENDOR:
                raise ValueError(f"a vendor of kind `simulated` is called `{SIMULATED_VENDOR}`: it reads that outbox")
            if vendor.kind == "human" and not vendor.pseudonym_key_env:
                raise ValueError(f"vendor `{slug}` needs `pseudonym_key_env`: its workers' ids must not be stored")
        return self
