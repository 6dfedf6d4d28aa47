"""`config/curation.yaml`: which prompts enter."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from dagster_project.settings.slugs import Slug
from dagster_project.settings.yaml_file import Strict

Weight = Annotated[float, Field(gt=0)]


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


class Intake(Strict):
    """What is taken over of a delivered conversation."""

    keep_assistant_turns: bool = Field(default=False, description="their licence is then on you")


class Switched(Strict):
    """A filter that can be switched off."""

    enabled: bool = True


class LicenceFilter(Switched):
    """Excludes prompts whose licence nobody can tell."""

    unknown: tuple[str, ...] = ("unknown", "none", "null", "n/a", "na", "tbd", "?", "-", "other", "unlicensed")


class LanguageFilter(Switched):
    """Excludes prompts that are surely in another language. Codes are ISO 639-1."""

    allow: tuple[str, ...] = Field(default=("en",), min_length=1)
    confidence: float = Field(default=0.45, ge=0, le=1, description="from where on another language excludes")


class RulesFilter(Switched):
    """Excludes prompts that a list of rules finds. ``rules`` is a YAML file of your own instead of the list that
    comes with Steerworks; a relative path starts at the configuration's folder.
    """

    rules: Path | None = None


class ModelScorer(Strict):
    """Scores 0 to 1 from a model of yours: a Python ``callable`` (``module:name``, from a list of texts to a list of
    scores) or an ``endpoint`` that has OpenAI's moderation API.
    """

    callable: str | None = Field(default=None, pattern=r"^[\w.]+:\w+$")
    endpoint: str | None = Field(default=None, description="such as http://127.0.0.1:8000/v1")
    model: str | None = None
    api_key_env: str | None = None
    threshold: float = Field(default=0.5, ge=0, le=1, description="from where on a score excludes")

    @model_validator(mode="after")
    def _is_one_or_the_other(self) -> Self:
        if (self.callable is None) == (self.endpoint is None):
            raise ValueError("a scorer is either a `callable` or an `endpoint`")
        return self


class UnsafeFilter(RulesFilter):
    """Excludes what rules find toxic or unsafe and, where there is a scorer, what it does."""

    scorer: ModelScorer | None = None


PersonalDataKind = Literal["email", "phone", "iban", "credit_card", "social_security_number", "ip_address", "secret"]


class PersonalDataFilter(Switched):
    """Excludes prompts with personal data of these kinds."""

    kinds: tuple[PersonalDataKind, ...] = (
        *("email", "phone", "iban", "credit_card", "social_security_number", "ip_address", "secret"),
    )


class Filters(Strict):
    """What a prompt's text is held to, in this order; length is a setting of its own."""

    licence: LicenceFilter = LicenceFilter()
    language: LanguageFilter = LanguageFilter()
    personal_data: PersonalDataFilter = PersonalDataFilter()
    code: RulesFilter = RulesFilter()
    identity: RulesFilter = RulesFilter()
    unsafe: UnsafeFilter = UnsafeFilter()
    not_self_contained: RulesFilter = RulesFilter()


class Benchmark(Strict):
    """An evaluation set: a file of prompts. ``text`` and ``id`` name its fields, nested ones as ``a.0.b``; usual ones
    are found by themselves.
    """

    name: Slug
    file: Path
    text: str | None = None
    id: str | None = None


class Benchmarks(Strict):
    """Evaluation sets that no prompt may hold an item of, and from where on it does, as shares."""

    sets: tuple[Benchmark, ...] = ()
    coverage: float = Field(default=0.75, gt=0, le=1, description="of an item's letters, in runs of 20 and more")
    similarity: float = Field(default=0.75, gt=0, le=1, description="of prompt and item as wholes")

    @field_validator("sets")
    @classmethod
    def _differ(cls, sets: tuple[Benchmark, ...]) -> tuple[Benchmark, ...]:
        names = [one.name for one in sets]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"two benchmarks are called `{sorted(twice)[0]}`")
        return sets


class Duplicates(Strict):
    """From which similarity on (Jaccard, 0 to 1) a prompt is excluded as a near-duplicate of an earlier one, and from
    which on it is of its cluster, so that a release has both in one split.
    """

    exclude_from: float = Field(default=0.75, ge=0.5, le=1)
    cluster_from: float = Field(default=0.65, ge=0.5, le=1)
    exclude: bool = True

    @model_validator(mode="after")
    def _is_upright(self) -> Self:
        if self.cluster_from > self.exclude_from:
            raise ValueError(f"cluster_from ({self.cluster_from}) is more than exclude_from ({self.exclude_from})")
        return self


class Selection(Strict):
    """How many kept prompts of a batch go on, and in what proportions. A higher target adds prompts and removes none.

    ``complexity_weights`` are of levels 1 to 5: with equal ones as many prompts of each level are taken as of any
    other. A source that ``max_source_share`` does not name may have any share.
    """

    target: int | None = Field(default=None, ge=1, description="prompts a batch; null takes all")
    multi_turn_share: float = Field(default=0.29, ge=0, le=1)
    complexity_weights: tuple[Weight, Weight, Weight, Weight, Weight] = (1, 1, 1, 1, 2)
    max_source_share: dict[str, Annotated[float, Field(gt=0, le=1)]] = Field(default_factory=dict)
    seed: int = 1


class Topics(Strict):
    """How prompts are told apart by subject.

    ``embedding_model`` is one of models.yaml; without one, words are counted (TF-IDF and SVD), offline. Of each
    prompt the first ``chars`` characters count. No topic is founded with fewer than ``smallest`` prompts.
    """

    embedding_model: Slug | None = None
    most: int = Field(default=1_000, ge=1, description="topics over all batches")
    smallest: int = Field(default=5, ge=1)
    chars: int = Field(default=1_000, ge=1)
    seed: int = 1


class Complexity(Strict):
    """Who says how complex a prompt is, from 1 to 5: a model of models.yaml, or without one a rule over the text."""

    judge: Slug | None = None


class Completion(Strict):
    """How the turns in between are chosen: so many candidates for each, and the best of them.

    ``likelihood_model`` says how likely the user's next turn is after a candidate; its endpoint must give
    log-probabilities of a prompt's tokens (`echo` and `logprobs` of `/v1/completions`), or be the embedded one.
    """

    candidates: int = Field(default=1, ge=1, le=64)
    likelihood_model: Slug | None = None


class CurationFile(Strict):
    """The whole file. ``completion_model`` writes the assistant turns of multi-turn prompts."""

    intake: Intake = Intake()
    length: Length = Length()
    filters: Filters = Filters()
    benchmarks: Benchmarks = Benchmarks()
    duplicates: Duplicates = Duplicates()
    topics: Topics = Topics()
    complexity: Complexity = Complexity()
    selection: Selection = Selection()
    completion_model: Slug
    completion: Completion = Completion()

    def models_named(self) -> dict[str, str]:
        """Return the slugs of all models that the file names, by key."""
        named = {
            "completion_model": self.completion_model,
            "completion.likelihood_model": self.completion.likelihood_model,
            "complexity.judge": self.complexity.judge,
            "topics.embedding_model": self.topics.embedding_model,
        }
        return {key: slug for key, slug in named.items() if slug}

    def within(self, folder: Path) -> CurationFile:
        """Return the same with its files' paths starting at a folder."""
        filters = {
            name: one.model_copy(update={"rules": folder / one.rules})
            for name, one in self.filters
            if isinstance(one, RulesFilter) and one.rules
        }
        sets = tuple(one.model_copy(update={"file": folder / one.file}) for one in self.benchmarks.sets)
        return self.model_copy(
            update={
                "filters": self.filters.model_copy(update=filters),
                "benchmarks": self.benchmarks.model_copy(update={"sets": sets}),
            }
        )
