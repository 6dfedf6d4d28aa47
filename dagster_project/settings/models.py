"""`config/models.yaml`: which models answer, where, how, at what price and on what terms."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from dagster_project.errors import SteerworksError
from dagster_project.settings.http import Address, FieldName, FieldValue, JsonObject, is_field_value
from dagster_project.settings.slugs import Slug
from dagster_project.settings.yaml_file import Strict

EndpointKind = Literal["openai", "embedded"]
Served = Literal["chat", "embeddings"]
NOT_EXTRA = {"model", "messages", "n", "stream", "system_prompt"}
_NAME_OF_A_SECRET = re.compile(
    r".*(apikey|accesskey|secretkey|privatekey|secret|password|passwd|authorization|credentials?)"
    r"|(access|api|auth|bearer|id|refresh|session)?token"
)
"""Of what parameters are called, without what stands between words; `max_tokens` and `stop_token_ids` are none."""


class Limits(Strict):
    """How much may be asked: of an endpoint by all its models together, or of one model. Null: no limit of ours.

    They hold for all processes that work on one home.
    """

    max_in_flight: int | None = Field(default=None, ge=1, le=10_000)
    requests_per_minute: int | None = Field(default=None, ge=1)
    tokens_per_minute: int | None = Field(default=None, ge=1, description="read and written")


class Endpoint(Limits):
    """An OpenAI-compatible server, or the small model that runs inside this process.

    Keys come from the environment variable that ``api_key_env`` names, never from the file.
    """

    kind: EndpointKind = "openai"
    serves: Served = Field(default="chat", description="of the embedded kind, whose server does one or the other")
    base_url: Address | None = None
    api_key_env: str | None = None
    organization: FieldValue | None = None
    headers: dict[FieldName, FieldValue] = Field(default_factory=dict, repr=False)
    max_in_flight: int = Field(default=16, ge=1, le=10_000)
    timeout_seconds: float = Field(default=120, gt=0)

    @model_validator(mode="after")
    def _has_an_address(self) -> Self:
        if self.kind == "openai" and not self.base_url:
            raise ValueError("an endpoint of kind `openai` needs a `base_url`, such as http://127.0.0.1:8000/v1")
        if self.kind == "embedded" and (self.base_url or self.api_key_env):
            raise ValueError("the embedded endpoint runs in this process: it takes no `base_url` and no `api_key_env`")
        return self


class Sampling(Strict):
    """Sampling parameters, sent as the chat API names them; null means the server's own default.

    ``extra_body`` holds what a server takes beyond these, such as vLLM's ``top_k`` or ``chat_template_kwargs``.
    """

    max_tokens: int | None = Field(default=None, gt=0)
    max_completion_tokens: int | None = Field(default=None, gt=0)
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    frequency_penalty: float | None = Field(default=None, ge=-2, le=2)
    presence_penalty: float | None = Field(default=None, ge=-2, le=2)
    stop: tuple[str, ...] | None = None
    seed: int | None = None
    reasoning_effort: str | None = None
    extra_body: JsonObject = Field(default_factory=dict)

    @model_validator(mode="after")
    def _ends_somewhere(self) -> Self:
        if (self.max_tokens is None) == (self.max_completion_tokens is None):
            raise ValueError(
                "an answer needs a limit: give `max_tokens`, or `max_completion_tokens` where the server wants that "
                "(reasoning models do), and not both"
            )
        return self

    @model_validator(mode="after")
    def _extra_is_beyond_the_rest(self) -> Self:
        if taken := sorted(set(self.extra_body) & (set(type(self).model_fields) | NOT_EXTRA)):
            raise ValueError(f"`extra_body` may not hold {', '.join(taken)}: these have a place of their own")
        return self

    @model_validator(mode="after")
    def _extra_is_no_secret(self) -> Self:
        if secret := next(filter(_is_named_as_a_secret, _names_within(self.extra_body)), None):
            raise ValueError(
                f"`extra_body` may not hold `{secret}`: parameters are kept with each answer, and published with "
                "releases. Give the key by the endpoint's `api_key_env`, or as one of its `headers`"
            )
        return self

    @property
    def most_tokens(self) -> int:
        """The most tokens that an answer may have, reasoning included where the server counts it."""
        return self.max_tokens or self.max_completion_tokens or 0

    def as_sent(self) -> dict[str, Any]:
        """Return the parameters as keys of the request's JSON object."""
        named = self.model_dump(mode="json", exclude_none=True, exclude={"extra_body"})
        return named | self.extra_body


def _names_within(value: Any) -> Iterator[str]:
    """Yield the names of all that a JSON value holds, at any depth."""
    if isinstance(value, dict):
        yield from map(str, value)
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _names_within(part)


def _is_named_as_a_secret(name: str) -> bool:
    return _NAME_OF_A_SECRET.fullmatch(re.sub("[^a-z]", "", name.lower())) is not None


class Prices(Strict):
    """US dollars for a million tokens."""

    input_usd_per_million: float = Field(default=0, ge=0, allow_inf_nan=False)
    output_usd_per_million: float = Field(default=0, ge=0, allow_inf_nan=False)

    @property
    def are_zero(self) -> bool:
        """Whether nothing costs anything."""
        return not self.input_usd_per_million and not self.output_usd_per_million


class Terms(Strict):
    """What the model's licence lets be done with its outputs; stored with each answer."""

    licence: str = Field(min_length=1)
    outputs_may_train: bool
    url: str | None = None


class BatchMode(Strict):
    """The endpoint's Batch API: cheaper and slower; prices of the model are those of the Batch API."""

    max_requests: int = Field(default=50_000, ge=1, le=1_000_000, description="in one batch")
    max_megabytes: int = Field(default=100, ge=1, description="of one batch's file")
    completion_window: str = "24h"


class ModelSpec(Limits):
    """One model: one endpoint, one revision, one set of sampling parameters.

    Its limits hold beside those of its endpoint. ``max_usd`` is what the model may cost in all,
    ``max_usd_per_day`` on one day (UTC).
    """

    endpoint: str
    name: str = Field(min_length=1)
    revision: str = Field(min_length=1)
    description: str = ""
    system_prompt: str | None = None
    sampling: Sampling
    samples: int = Field(default=1, ge=1, le=64)
    prices: Prices = Prices()
    max_usd: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    max_usd_per_day: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    batch: BatchMode | None = None
    terms: Terms

    @model_validator(mode="after")
    def _money_is_counted(self) -> Self:
        limited = [name for name in ("max_usd", "max_usd_per_day") if getattr(self, name) is not None]
        unnamed = sorted(type(self.prices).model_fields.keys() - self.prices.model_fields_set)
        if limited and unnamed:
            raise ValueError(
                f"`{limited[0]}` holds for what is counted, and `prices` does not name {' and '.join(unnamed)}: give "
                "what the provider charges, or 0 if it charges nothing for that"
            )
        return self


class CurationModel(ModelSpec):
    """A model that only curation asks. One for embeddings needs neither sampling parameters nor terms."""

    sampling: Sampling = Sampling(max_tokens=1)
    terms: Terms = Terms(licence="not published", outputs_may_train=False)


class ModelsFile(Strict):
    """The whole file: endpoints by name, models by slug, and what all models together may cost on one day (UTC).

    ``models`` answer prompts; ``curation_models`` only judge them, embed them or write turns in between.
    """

    endpoints: dict[Slug, Endpoint] = Field(min_length=1)
    models: dict[Slug, ModelSpec] = Field(min_length=1)
    curation_models: dict[Slug, CurationModel] = Field(default_factory=dict)
    max_usd_per_day: float | None = Field(default=None, ge=0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _endpoints_exist(self) -> Self:
        if twice := sorted(self.models.keys() & self.curation_models.keys()):
            raise ValueError(f"a slug names one model: {', '.join(twice)} stands in `models` and in `curation_models`")
        for slug, model in {**self.models, **self.curation_models}.items():
            if model.endpoint not in self.endpoints:
                known = ", ".join(sorted(self.endpoints))
                raise ValueError(
                    f"model `{slug}` names the endpoint `{model.endpoint}`, which does not exist; "
                    f"the file has: {known}. Add it under `endpoints`, or name one of these"
                )
        return self

    def for_curation(self) -> ModelsFile:
        """Return the file with all models among ``models``, for those who ask on behalf of curation."""
        every = {**self.models, **self.curation_models}
        return self.model_copy(update={"models": every, "curation_models": {}})

    def endpoint_of(self, slug: str) -> Endpoint:
        """Return the endpoint that serves a model."""
        return self.endpoints[self.models[slug].endpoint]

    def api_key_of(self, slug: str) -> str | None:
        """Return the key for a model's endpoint, or None if it needs none.

        Raises:
            SteerworksError: the environment variable is not set, or cannot be sent.
        """
        variable = self.endpoint_of(slug).api_key_env
        if variable is None:
            return None
        key = os.environ.get(variable, "")
        if not key or not is_field_value(key):
            problem = "holds a line break, a space at its ends or a character beyond ASCII" if key else "is not set"
            raise SteerworksError(
                f"model `{slug}`: its endpoint `{self.models[slug].endpoint}` takes its key from the environment "
                f"variable {variable}, which {problem}. Export it, and start again; nothing was asked."
            )
        return key
