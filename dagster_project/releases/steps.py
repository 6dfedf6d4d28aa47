"""Semantic versioning: which step from its parent a release needs, and the first row that says so.

Belongs here: the rules. Major: a row is gone, or a value, a split, a type or the rubric is another. Minor: rows or
columns are only added. Patch: data, preferences and annotations keep their bytes. Does not belong here: finding the
rows (`difference`), or what a version looks like (`versions`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from dagster_project.releases.difference import Difference
from dagster_project.releases.folders import SPLIT_TABLES, version_order
from dagster_project.releases.manifest import Manifest, RubricSummary
from dagster_project.settings import base_version


class Step(IntEnum):
    """From one version to the next."""

    NONE = 0
    PATCH = 1
    MINOR = 2
    MAJOR = 3

    @property
    def word(self) -> str:
        """Its name in a sentence."""
        return self.name.lower()


@dataclass(frozen=True)
class Need:
    """The step that a release needs, and what asks for it."""

    step: Step
    because: str


def step_taken(parent: str, version: str) -> Step:
    """Return the step from a parent's version; `NONE` if the version does not come after it."""
    old, new = version_order(base_version(parent))[:3], version_order(base_version(version))[:3]
    if new <= old:
        return Step.NONE
    return (Step.MAJOR, Step.MINOR, Step.PATCH)[next(place for place in range(3) if new[place] != old[place])]


def version_after(parent: str, step: Step) -> str:
    """Return the least version that takes a step from a parent's."""
    major, minor, patch = version_order(base_version(parent))[:3]
    following = {Step.MAJOR: (major + 1, 0, 0), Step.MINOR: (major, minor + 1, 0)}.get(step, (major, minor, patch + 1))
    return "v" + ".".join(str(number) for number in following)


def needed(found: Difference, rubrics: tuple[RubricSummary, RubricSummary], other_bytes: list[str]) -> Need:
    """Return the least step for a difference, with the first thing that asks for it.

    Args:
        found: parent against release.
        rubrics: of the parent and of the release.
        other_bytes: files of data, preferences and annotations that do not have the parent's bytes.
    """
    reasons = [
        *_major(found, rubrics),
        *_minor(found),
        *((Step.MINOR, f"{path} has other bytes") for path in other_bytes),
    ]
    step, because = reasons[0] if reasons else (Step.PATCH, "data, preferences and annotations keep their bytes")
    return Need(step, because)


def other_bytes(parent: Manifest, release: Manifest) -> list[str]:
    """Return the files of data, preferences and annotations that do not have the parent's bytes."""
    return [
        path
        for path, sha256 in sorted(release.hashes.items())
        if path.partition("/")[0] in SPLIT_TABLES and parent.hashes.get(path) != sha256
    ]


def wrong_step(parent: str, version: str, need: Need) -> str | None:
    """Return what is wrong with a version as the next after its parent, or None if nothing is."""
    taken = step_taken(parent, version)
    if taken >= need.step:
        return None
    said = f"{version} does not come after it" if taken is Step.NONE else f"{version} is a {taken.word} step"
    return (
        f"the parent is {parent}, and {said}, where a {need.step.word} one is due: {need.because}. "
        f"Call it {version_after(parent, need.step)}"
    )


def _major(found: Difference, rubrics: tuple[RubricSummary, RubricSummary]) -> Iterator[tuple[Step, str]]:
    older, newer = rubrics
    if older != newer:
        names = [name for name in RubricSummary.model_fields if getattr(older, name) != getattr(newer, name)]
        yield (
            Step.MAJOR,
            f"the rubric has another {names[0]} ({getattr(older, names[0])} became {getattr(newer, names[0])})",
        )
    for words, columns in (("is gone", found.columns_gone), ("has another type", found.columns_retyped)):
        yield from ((Step.MAJOR, f"column `{names[0]}` of `{table}` {words}") for table, names in columns.items())
    yield from ((Step.MAJOR, str(breach)) for breach in found.breaches if breach.kind != "added")


def _minor(found: Difference) -> Iterator[tuple[Step, str]]:
    yield from ((Step.MINOR, str(breach)) for breach in found.breaches if breach.kind == "added")
    yield from ((Step.MINOR, f"column `{names[0]}` of `{table}` is new") for table, names in found.columns_new.items())
