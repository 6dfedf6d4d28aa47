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

Fate = tuple[str, str | None]
"""Stage and reason."""


@dataclass(frozen=True)
class PlainTask:
    """One task and what each annotator gave: scores a response, whether flagged, preference."""

    given: dict[str, dict[str, Any]]
    responses: int
    deciding: list[int]

    def invalid(self, policy: AgreementPolicy) -> dict[str, Fate]:
        flagged = {name for name, row in self.given.items() if row["flagged"] and policy.drop_flagged}
        if 2 * len(flagged) > len(self.given):
            return dict.fromkeys(self.given, ("validity", "task_flagged"))
        incomplete = {name for name in self.given if not self.complete(name)} - flagged
        return dict.fromkeys(flagged, ("validity", "flagged")) | dict.fromkeys(
            incomplete if policy.drop_incomplete else (), ("validity", "incomplete")
        )

    def complete(self, name: str) -> bool:
        return all(scores[d] is not None for scores in self.given[name]["scores"] for d in self.deciding)

    def values(self, name: str, positions: Iterable[int], unit: Sequence[int]) -> list[int | None]:
        return [self.given[name]["scores"][response][p] for response in unit for p in positions]

    def spread(self, names: Iterable[str], unit: Sequence[int]) -> int:
        columns = zip(*(self.values(name, self.deciding, unit) for name in names), strict=True)
        given = [[score for score in column if score is not None] for column in columns]
        return max((max(column) - min(column) for column in given if column), default=0)

    def is_wide(self, names: Iterable[str], unit: Sequence[int], policy: AgreementPolicy) -> bool:
        return policy.max_range is not None and self.spread(names, unit) > policy.max_range

    def apart(self, names: Iterable[str], positions: Sequence[int], unit: Sequence[int]) -> int:
        return sum(
            abs(x - y)
            for one, other in combinations(names, 2)
            for x, y in zip(self.values(one, positions, unit), self.values(other, positions, unit), strict=True)
            if x is not None and y is not None
        )

    def closest(self, names: list[str], unit: Sequence[int], policy: AgreementPolicy) -> tuple[str, ...]:
        every = range(len(next(iter(self.given.values()))["scores"][0]))

        def cost(some: tuple[str, ...]) -> tuple[int, int, tuple[str, ...]]:
            tie = self.apart(some, every, unit) if policy.break_ties else 0
            return self.apart(some, self.deciding, unit), tie, some

        return min(combinations(names, policy.closest or len(names)), key=cost)

    def closest_preferences(self, names: list[str], policy: AgreementPolicy) -> tuple[str, ...]:
        said = {name: self.given[name]["preference"] for name in names if self.given[name]["preference"] is not None}
        size = policy.closest or max(len(said), policy.annotators)
        return min(
            combinations(said, size),
            key=lambda some: (sum(abs(said[x] - said[y]) for x, y in combinations(some, 2)), some),
            default=(),
        )

    def outcome(self, untrusted: set[str], closed: bool, policy: AgreementPolicy) -> dict[tuple[str, int], Fate]:
        """Of each annotator's rating of each response."""
        gone = self.invalid(policy)
        if policy.drop_untrusted:
            gone |= dict.fromkeys(untrusted & (set(self.given) - set(gone)), ("trust", "untrusted"))
        trusted = sorted(set(self.given) - set(gone))
        every = range(self.responses)
        extra = policy.extra_when_disputed if trusted and self.is_wide(trusted, every, policy) else 0
        target = min(policy.max_annotators, policy.annotators + extra)
        if len(trusted) < policy.annotators or (len(trusted) < target and not closed):
            reason = "awaiting_top_up" if len(trusted) < target and not closed else "too_few"
            gone |= dict.fromkeys(trusted, ("coverage", reason))
            return {(name, response): gone[name] for name in self.given for response in every}
        found = {(name, response): fate for name, fate in gone.items() for response in every}
        return found | self.selected(trusted, policy)

    def selected(self, trusted: list[str], policy: AgreementPolicy) -> dict[tuple[str, int], Fate]:
        every = range(self.responses)
        units = [list(every)] if policy.closest_of == "task" else [[response] for response in every]
        best = {response: self.closest(trusted, unit, policy) for unit in units for response in unit}
        disputed = any(self.is_wide(best[unit[0]], unit, policy) for unit in units)
        verdict = ("dispute", "disputed") if disputed else ("kept", None)
        return {
            (name, response): verdict if name in best[response] else ("closest", "not_closest")
            for name in trusted
            for response in every
        }


SWITCHES = ("break_ties", "drop_flagged", "drop_incomplete", "drop_untrusted")


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
    closest = draw(st.sampled_from([1, 2, 3, None]))
    annotators = draw(st.integers(closest or 1, 4))
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
            "max_range": draw(st.sampled_from([0, 1, 2, 3, 4, None])),
            "closest_of": draw(st.sampled_from(["task", "response"])),
            **{name: draw(st.sampled_from([True, True, False])) for name in SWITCHES},
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
        outcome = task.outcome(campaign["untrusted"], campaign["closed"], policy)
        standing = sorted({name for (name, _), (stage, _) in outcome.items() if stage in STANDING})
        preferred = task.closest_preferences(standing, policy)
        wanted |= {(str(number), *key): (*fate, key[0] in preferred) for key, fate in outcome.items()}
    deciding = [position + 1 for position in campaign["deciding"]]
    scale = rubric(campaign["attributes"], deciding, campaign["lowest"], campaign["lowest"] + 4)
    rows = retained(ratings, scale, untrusted=campaign["untrusted"], closed=campaign["closed"], **campaign["policy"])
    found = {
        (row["task_id"], row["annotator"], row["position"] - 1): (
            row["stage"],
            row["reason"],
            row["preference_retained"],
        )
        for row in rows
    }
    assert found == wanted
    assert len(rows) == len(ratings.annotations)


STANDING = ("closest", "dispute", "kept")


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
