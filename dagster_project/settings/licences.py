"""`config/licences.yaml`: which licences and terms may meet in a release."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Literal, Self

from pydantic import Field, model_validator

from dagster_project.settings.yaml_file import Strict

Kind = Literal["permissive", "share-alike", "non-commercial", "no-derivative-models", "unknown"]
Outcome = Literal["refuse", "exclude"]
UNKNOWN: Kind = "unknown"
NO_DERIVATIVE_MODELS: Kind = "no-derivative-models"


class WeightsRule(Strict):
    """What is known of some weights; patterns as in a shell, where case does not matter."""

    name: str | None = None
    revision: str | None = None
    endpoint: str | None = None
    kind: Kind

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        if not (self.name or self.revision or self.endpoint):
            raise ValueError("an entry of `weights` needs `name`, `revision` or `endpoint`")
        return self

    def matches(self, name: str | None, revision: str | None, endpoint: str | None) -> bool:
        """Say whether the rule is about these weights."""
        names = [name, short_name(name)] if name else []
        return (
            _fits(self.name, *names)
            and _fits(self.revision, *([revision] if revision else []))
            and _fits(self.endpoint, *([endpoint] if endpoint else []))
        )


class LicencesFile(Strict):
    """The whole file."""

    kinds: dict[Kind, tuple[str, ...]]
    may_hold: dict[Kind, tuple[Kind, ...]]
    otherwise: dict[Kind, Outcome] = Field(default_factory=dict)
    weights: tuple[WeightsRule, ...] = ()

    @model_validator(mode="after")
    def _each_licence_is_of_one_kind(self) -> Self:
        listed = [name.casefold() for names in self.kinds.values() for name in names]
        if twice := sorted({name for name in listed if listed.count(name) > 1}):
            raise ValueError(f"of two kinds: {', '.join(twice)}. A licence is of one kind")
        return self

    def kind_of(self, licence: str | None) -> Kind:
        """Return the kind of a licence; `unknown` if it is not listed, or there is none."""
        wanted = (licence or "").strip().casefold()
        kinds = (kind for kind, names in self.kinds.items() if wanted in (name.casefold() for name in names))
        return next(kinds, UNKNOWN)

    def kind_of_weights(self, name: str | None, revision: str | None, endpoint: str | None) -> Kind | None:
        """Return the kind that is known of weights; None if no rule is about them."""
        return next((rule.kind for rule in self.weights if rule.matches(name, revision, endpoint)), None)

    def outcome(self, release: Kind, kind: Kind) -> Outcome | None:
        """Return what happens to material of a kind in a release of a kind; None if it may be held."""
        return None if kind in self.may_hold.get(release, ()) else self.otherwise.get(kind, "refuse")


def short_name(name: str) -> str:
    """Return what stands after the last slash of a model's name, in lower case."""
    return name.rpartition("/")[2].casefold()


def _fits(pattern: str | None, *values: str) -> bool:
    if pattern is None:
        return True
    return any(fnmatchcase(value.casefold(), pattern.casefold()) for value in values)
