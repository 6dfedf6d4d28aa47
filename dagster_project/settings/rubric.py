"""A rubric: what annotators rate, on which scale, and which attributes decide disputes.

No code and no SQL knows an attribute by its name: everything reads them from here.
"""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from dagster_project.identity import digest
from dagster_project.settings.yaml_file import Strict

MOST_STEPS = 127


class Scale(Strict):
    """Whole numbers from ``lowest`` to ``highest``, both included."""

    lowest: int = Field(ge=-100, le=100)
    highest: int = Field(ge=-100, le=100)

    @model_validator(mode="after")
    def _is_upright(self) -> Self:
        if self.lowest >= self.highest:
            raise ValueError(f"the scale is upside down: lowest is {self.lowest}, highest is {self.highest}. Swap them")
        if self.highest - self.lowest > MOST_STEPS:
            raise ValueError(f"the scale has more than {MOST_STEPS} steps; differences are stored in one byte")
        return self


class Attribute(Strict):
    """One thing that is rated, with a text for each level of the scale."""

    name: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,40}$")
    description: str = Field(min_length=1)
    levels: dict[int, str] = Field(default_factory=dict)
    decides: bool = False


class Flag(Strict):
    """A reason for which an annotator refuses to rate a response."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,40}$")
    description: str = Field(min_length=1)


class Example(Strict):
    """A reply with the ratings or the flags that it should get, and why: annotators see it in the guideline."""

    prompt: str = Field(min_length=1)
    response: str = Field(min_length=1)
    ratings: dict[str, int] = Field(default_factory=dict, description="by attribute; not all need be there")
    flags: tuple[str, ...] = ()
    why: str = ""


RESERVED_NAMES = frozenset(
    {"prompt", "response", "task_id", "response_id", "prompt_id", "campaign", "model", "vendor", "messages"}
    | {"n_annotators", "simulated", "annotator", "round", "position", "guideline_version", "stage", "reason"}
    | {"submitted_at", "revision", "withdrawn", "flags", "preference", "justification", "seconds"}
    | {"split", "scores", "spreads"}
)


class Rubric(Strict):
    """Attributes in their published order, the scale they share, and the invalid flags."""

    name: str = Field(min_length=1)
    version: str = Field(min_length=1)
    scale: Scale
    attributes: tuple[Attribute, ...] = Field(min_length=1)
    flags: tuple[Flag, ...] = ()
    preference: bool = True
    instructions: str = ""
    examples: tuple[Example, ...] = ()

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        # SQL knows no case in column names.
        names = [name.lower() for name in self.names]
        if len(set(names)) != len(names):
            raise ValueError("two attributes have the same name")
        if clash := RESERVED_NAMES.intersection(names):
            raise ValueError(f"these attribute names are columns of the release already: {sorted(clash)}")
        if not self.deciding:
            raise ValueError("no attribute has `decides: true`; at least one must decide disputes")
        for attribute in self.attributes:
            strangers = [n for n in attribute.levels if not self.scale.lowest <= n <= self.scale.highest]
            if strangers:
                raise ValueError(f"attribute `{attribute.name}` describes levels outside the scale: {strangers}")
        return self

    @model_validator(mode="after")
    def _rates_its_examples(self) -> Self:
        flags = {flag.name for flag in self.flags}
        for number, example in enumerate(self.examples, start=1):
            if strangers := sorted({*example.ratings} - {*self.names} | {*example.flags} - flags):
                raise ValueError(f"example {number} names no attribute or flag of the rubric: {', '.join(strangers)}")
            if off := [name for name, n in example.ratings.items() if not self.scale.lowest <= n <= self.scale.highest]:
                raise ValueError(f"example {number} has ratings outside the scale: {', '.join(off)}")
            if bool(example.ratings) == bool(example.flags):
                raise ValueError(f"example {number} has either `ratings` or `flags`: what is flagged is not rated")
        return self

    @property
    def names(self) -> list[str]:
        """Attribute names in the rubric's order: position i of every ``scores`` list."""
        return [attribute.name for attribute in self.attributes]

    @property
    def deciding(self) -> list[str]:
        """Names of the attributes that decide disputes."""
        return [attribute.name for attribute in self.attributes if attribute.decides]

    @property
    def shape_hash(self) -> str:
        """A hash of all that gives stored ratings their meaning: attributes in order, scale and flags.

        Texts may be made clearer, and which attributes decide is policy: neither is part of it.
        """
        return digest([self.names, self.scale.model_dump(), [flag.name for flag in self.flags]])

    def rows(self) -> list[dict[str, str | int | bool]]:
        """Return the rubric as the relation that SQL joins with: one row an attribute.

        ``position`` counts from 1, as in DuckDB's ``scores[position]``.
        """
        return [
            {
                "attribute": attribute.name,
                "position": position,
                "decides": attribute.decides,
                "lowest": self.scale.lowest,
                "highest": self.scale.highest,
            }
            for position, attribute in enumerate(self.attributes, start=1)
        ]
