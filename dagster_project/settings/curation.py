"""`config/curation.yaml`: which prompts enter."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

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
    log-probabilities of a prompt's tokens (`echo` and `logprobs` of `/v1/completions`).
    """

    candidates: int = Field(default=1, ge=1, le=64)
    likelihood_model: Slug | None = None


class CurationFile(Strict):
    """The whole file. ``completion_model`` writes the assistant turns of multi-turn prompts."""

    length: Length = Length()
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
