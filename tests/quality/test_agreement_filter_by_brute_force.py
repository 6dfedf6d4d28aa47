"""The filter against a second implementation in plain Python, and against what must not matter."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_project.settings import AgreementPolicy
from tests.quality.ratings import Ratings, panel, retained, rubric

pytestmark = pytest.mark.slow

Fate = tuple[str, str | None, bool]
"""Stage, reason, and whether the preference is retained."""


@dataclass(frozen=True)
class PlainTask:
    """One task and what each annotator gave: scores a response, whether flagged, preference."""

    given: dict[str, dict[str, Any]]
    responses: int
    deciding: list[int]

    def invalid(self) -> dict[str, Fate]:
        flagged = {name for name, row in self.given.items() if row["flagged"]}
        if 2 * len(flagged) > len(self.given):
            return dict.fromkeys(self.given, ("validity", "task_flagged", False))
        incomplete = {name for name in self.given if not self.complete(name)} - flagged
        return dict.fromkeys(flagged, ("validity", "flagged", False)) | dict.fromkeys(
            incomplete, ("validity", "incomplete", False)
        )

    def complete(self, name: str) -> bool:
        return all(scores[d] is not None for scores in self.given[name]["scores"] for d in self.deciding)

    def values(self, name: str, positions: Iterable[int]) -> list[int | None]:
        return [scores[p] for scores in self.given[name]["scores"] for p in positions]

    def spread(self, names: Iterable[str]) -> int:
        columns = zip(*(self.values(name, self.deciding) for name in names), strict=True)
        return max((max(column) - min(column) for column in columns), default=0)

    def apart(self, names: Iterable[str], positions: Sequence[int]) -> int:
        return sum(
            abs(x - y)
            for one, other in combinations(names, 2)
            for x, y in zip(self.values(one, positions), self.values(other, positions), strict=True)
            if x is not None and y is not None
        )

    def closest(self, names: list[str], size: int) -> tuple[str, ...]:
        every = range(len(next(iter(self.given.values()))["scores"][0]))
        return min(
            combinations(names, size),
            key=lambda some: (self.apart(some, self.deciding), self.apart(some, every), some),
        )

    def closest_preferences(self, names: list[str], size: int) -> tuple[str, ...]:
        said = {name: self.given[name]["preference"] for name in names if self.given[name]["preference"] is not None}
        return min(
            combinations(said, size),
            key=lambda some: (sum(abs(said[x] - said[y]) for x, y in combinations(some, 2)), some),
            default=(),
        )


def expected(task: PlainTask, untrusted: set[str], closed: bool, policy: AgreementPolicy) -> dict[str, Fate]:
    gone = task.invalid()
    gone |= dict.fromkeys(untrusted & (set(task.given) - set(gone)), ("trust", "untrusted", False))
    trusted = sorted(set(task.given) - set(gone))
    extra = policy.extra_when_disputed if task.spread(trusted) > policy.max_range else 0
    if not closed and len(trusted) < min(policy.max_annotators, policy.annotators + extra):
        return gone | dict.fromkeys(trusted, ("coverage", "awaiting_top_up", False))
    if len(trusted) < policy.annotators:
        return gone | dict.fromkeys(trusted, ("coverage", "too_few", False))
    best = task.closest(trusted, policy.closest)
    preferred = task.closest_preferences(trusted, policy.closest)
    verdict = ("dispute", "disputed") if task.spread(best) > policy.max_range else ("kept", None)
    return gone | {
        name: (*(verdict if name in best else ("closest", "not_closest")), name in preferred) for name in trusted
    }


@st.composite
def campaigns(draw: st.DrawFn) -> dict[str, Any]:
    attributes = draw(st.integers(1, 3))
    deciding = sorted(draw(st.sets(st.integers(0, attributes - 1), min_size=1)))
    lowest = draw(st.sampled_from([-2, 0, 1]))
    responses = draw(st.integers(1, 2))
    score = st.one_of(*[st.integers(lowest, lowest + 4)] * 9, st.none())
    annotation = st.fixed_dictionaries(
        {
            "scores": st.lists(
                st.lists(score, min_size=attributes, max_size=attributes), min_size=responses, max_size=responses
            ),
            "flagged": st.sampled_from([False] * 6 + [True]),
            "preference": st.sampled_from([-3, -2, -1, 1, 2, 3, None]),
        }
    )
    task = st.dictionaries(st.sampled_from("abcdefg"), annotation, min_size=1, max_size=7)
    closest = draw(st.integers(1, 3))
    annotators = draw(st.integers(closest, 4))
    return {
        "tasks": draw(st.lists(task, min_size=1, max_size=6)),
        "responses": responses,
        "attributes": attributes,
        "deciding": deciding,
        "lowest": lowest,
        "untrusted": draw(st.sets(st.sampled_from("abcdefg"), max_size=2)),
        "closed": draw(st.booleans()),
        "policy": {
            "closest": closest,
            "annotators": annotators,
            "extra_when_disputed": draw(st.integers(0, 2)),
            "max_annotators": draw(st.integers(annotators, 6)),
            "max_range": draw(st.integers(0, 4)),
        },
    }


@settings(max_examples=60)
@given(campaigns())
def test_the_filter_is_what_the_policy_says(campaign: dict[str, Any]) -> None:
    ratings = Ratings()
    wanted = {}
    policy = AgreementPolicy(**campaign["policy"])
    for number, rated in enumerate(campaign["tasks"]):
        for name, row in rated.items():
            flags = {1: ["x"]} if row["flagged"] else None
            ratings.rate(str(number), name, *row["scores"], flags=flags, preference=row["preference"])
        task = PlainTask(rated, campaign["responses"], campaign["deciding"])
        outcome = expected(task, campaign["untrusted"], campaign["closed"], policy)
        wanted |= {(str(number), name): fate for name, fate in outcome.items()}
    deciding = [position + 1 for position in campaign["deciding"]]
    scale = rubric(campaign["attributes"], deciding, campaign["lowest"], campaign["lowest"] + 4)
    rows = retained(ratings, scale, untrusted=campaign["untrusted"], closed=campaign["closed"], **campaign["policy"])
    found = {
        (row["task_id"], row["annotator"]): (row["stage"], row["reason"], row["preference_retained"]) for row in rows
    }
    assert found == wanted
    assert len(rows) == len(ratings.annotations)


@pytest.fixture(scope="module")
def crowd() -> Ratings:
    return panel(seed=3, tasks=40, per_task=5)


def test_the_order_of_rows_changes_nothing(crowd: Ratings) -> None:
    shuffled = Ratings(random.Random(1).sample(crowd.annotations, len(crowd.annotations)), crowd.tasks)
    assert retained(shuffled, rubric(5)) == retained(crowd, rubric(5))


def test_names_change_nothing_as_long_as_they_sort_alike(crowd: Ratings) -> None:
    def renamed(row: dict[str, Any]) -> dict[str, Any]:
        return row | {key: f"new-{row[key]}" for key in ("task_id", "response_id", "annotator")}

    others = Ratings([renamed(row) for row in crowd.annotations], {f"new-{task}": n for task, n in crowd.tasks.items()})
    assert retained(others, rubric(5)) == [renamed(row) for row in retained(crowd, rubric(5))]
