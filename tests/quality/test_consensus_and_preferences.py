"""What is published: consensus ratings and preferences, by hand, and through the lake."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest

from dagster_project.lake import Lake, Session
from dagster_project.quality import judge_annotators, measure_agreement, reach_consensus, retain_annotations
from dagster_project.quality.retention import filter_annotations
from dagster_project.settings import AgreementPolicy, Settings
from tests.quality.ratings import PARTITION, Ratings, Scores, prepared, rubric


def published(
    ratings: Ratings, scale: pl.DataFrame, name: str, asks_preference: bool = True, **policy: Any
) -> list[dict[str, Any]]:
    rules = AgreementPolicy(**policy)
    with Session() as session:
        prepared(session, ratings, scale)
        filter_annotations(session, rules, closed=True)
        return session.query(f"quality/{name}", {**rules.model_dump(), "asks_preference": asks_preference}).to_dicts()


def ratings_of(*given: Scores) -> Ratings:
    ratings = Ratings()
    for annotator, scores in zip("abcdefg", given, strict=False):
        ratings.rate("t", annotator, scores)
    return ratings


def preference_of(*strengths: int | None, texts: tuple[str | None, ...] = (), **policy: Any) -> dict[str, Any]:
    """The preference of one task whose annotators, `a`, `b` … rate alike and prefer so."""
    ratings = Ratings()
    for place, (annotator, strength) in enumerate(zip("abcdefg", strengths, strict=False)):
        text = texts[place] if texts else f"by {annotator}"
        ratings.rate("t", annotator, [2, 2], [2, 2], preference=strength, justification=text)
    [row] = published(ratings, rubric(), "preferences", **policy)
    return row


@pytest.mark.parametrize(
    ("given", "rating"),
    [([3, 3, 4], 3), ([3, 4, 4], 4), ([2, 1, 1], 1), ([0, 0, 1], 0), ([-1, -1, -2], -1), ([-2, -2, -1], -2)],
)
def test_the_rating_is_the_rounded_mean_of_those_kept(given: list[int], rating: int) -> None:
    [row] = published(ratings_of(*([score, 0] for score in given)), rubric(lowest=-2, highest=4), "consensus")
    assert row["scores"] == [rating, 0]
    assert row["spreads"] == [max(given) - min(given), 0]
    assert (row["n_annotators"], row["position"], row["simulated"]) == (3, 1, True)


@pytest.mark.parametrize(("given", "rating"), [([1, 2], 2), ([0, 1], 1), ([-1, -2], -1), ([-1, 0], 0), ([-2, 1], 0)])
def test_a_half_is_rounded_up_on_negative_scales_too(given: list[int], rating: int) -> None:
    ratings = ratings_of(*([0, score] for score in given), [0, None])
    [row] = published(ratings, rubric(lowest=-2, highest=2), "consensus")
    assert row["scores"] == [0, rating]


def test_an_attribute_with_fewer_than_two_values_has_no_rating() -> None:
    [row] = published(ratings_of([1, 4], [1, None], [1, None]), rubric(), "consensus")
    assert (row["scores"], row["spreads"], row["n_annotators"]) == ([1, None], [0, None], 3)


def test_those_who_were_not_kept_have_no_say() -> None:
    [row] = published(ratings_of([1, 1], [1, 1], [1, 1], [4, 4]), rubric(), "consensus")
    assert row["scores"] == [1, 1]
    assert published(ratings_of([0, 0], [2, 0], [4, 0]), rubric(), "consensus") == []
    assert published(ratings_of([0, 0], [2, 0], [4, 0]), rubric(), "preferences") == []


@pytest.mark.parametrize(
    ("strengths", "strength", "reason"),
    [
        ((1, 2, 2), 2, None),
        ((-1, -1, -2), -1, None),
        ((-1, 1, 1), None, "tie"),
        ((-1, 1, 1, 1), 1, None),
        ((3, 3, -3, -3, -3), -3, None),
        ((-2, 1, 1), None, "disputed"),
        ((2, 2), None, "too_few"),
        ((), None, "too_few"),
    ],
)
def test_the_preference_is_the_mean_of_the_three_closest(
    strengths: tuple[int, ...], strength: int | None, reason: str | None
) -> None:
    silent = (None,) * (3 - min(3, len(strengths)))
    row = preference_of(*strengths, *silent)
    assert (row["strength"], row["reason"]) == (strength, reason)


@pytest.mark.parametrize(("strengths", "strength"), [((1, 2), 2), ((-1, -2), -2), ((1, 1), 1), ((-2, -3), -3)])
def test_a_half_is_rounded_away_from_zero(strengths: tuple[int, int], strength: int) -> None:
    assert preference_of(*strengths, closest=2, annotators=2)["strength"] == strength


def test_the_range_of_preferences_and_the_choice_of_the_closest_can_be_switched_off() -> None:
    assert preference_of(-1, 3, 3)["reason"] == "disputed"
    assert preference_of(-1, 3, 3, max_preference_range=None)["strength"] == 2
    kept = preference_of(1, 1, 1, -3, closest=None, max_preference_range=None)
    assert [one["retained"] for one in kept["all_preferences"]] == [True] * 4
    assert kept["reason"] == "tie"


def test_the_statement_is_the_justification_nearest_to_the_mean() -> None:
    assert preference_of(1, 3, 2)["statement"] == "by c"
    assert preference_of(1, 1, 2)["statement"] == "by a"
    assert preference_of(1, 1, 2, texts=(None, "  ", "better"))["statement"] == "better"
    assert preference_of(1, 1, 2, texts=(None, None, None))["statement"] is None
    assert preference_of(-1, 1, 1)["statement"] is None


def test_every_trusted_preference_is_listed_and_says_whether_it_was_retained() -> None:
    listed = preference_of(2, -3, 2, None, 3)["all_preferences"]
    assert [(one["annotator"], one["strength"], one["retained"]) for one in listed] == [
        ("a", 2, True),
        ("b", -3, False),
        ("c", 2, True),
        ("e", 3, True),
    ]
    assert preference_of(None, None, None)["all_preferences"] == []


def test_of_preferences_equally_close_the_sorted_ids_decide() -> None:
    listed = preference_of(1, 1, 2, 1)["all_preferences"]
    assert [one["retained"] for one in listed] == [True, True, False, True]
    listed = preference_of(2, 2, 2, 2)["all_preferences"]
    assert [one["retained"] for one in listed] == [True, True, True, False]


def test_a_task_whose_preference_is_disputed_keeps_its_ratings() -> None:
    ratings = Ratings()
    for annotator, strength in {"a": -3, "b": 1, "c": 3}.items():
        ratings.rate("t", annotator, [2, 2], [3, 3], preference=strength)
    assert [row["scores"] for row in published(ratings, rubric(), "consensus")] == [[2, 2], [3, 3]]
    assert published(ratings, rubric(), "preferences")[0]["reason"] == "disputed"


def test_a_corrected_preference_counts_wherever_it_was_said() -> None:
    """First on the last response; the correction comes on the first."""
    ratings = Ratings()
    for annotator in "abc":
        ratings.rate("t", annotator, [2, 2], [2, 2])
    for row in ratings.annotations:
        first = row["position"] == 1
        row |= {"preference": -2, "revision": 2, "justification": "corrected"} if first else {"preference": 3}
    [row] = published(ratings, rubric(), "preferences")
    assert (row["strength"], row["statement"]) == (-2, "corrected")
    for row in ratings.annotations:
        row["submitted_at"] = datetime(2026, 1, 1 + row["position"], tzinfo=UTC)
    assert published(ratings, rubric(), "preferences")[0]["strength"] == 3


def test_a_task_that_asks_for_no_preference_has_no_row() -> None:
    ratings = Ratings()
    for annotator in "abc":
        ratings.rate("one", annotator, [2, 2]).rate("two", annotator, [2, 2], [2, 2])
    assert [row["task_id"] for row in published(ratings, rubric(), "preferences")] == ["two"]
    assert published(ratings, rubric(), "preferences", asks_preference=False) == []


@pytest.mark.slow
def test_the_whole_stage_writes_its_tables_and_reports_counts(lake: Lake, settings: Settings) -> None:
    ratings = Ratings()
    good, bad = [3, 3, 4, 2, 2], [1, 1, 2, 2, 2]
    for annotator in "abc":
        ratings.rate("kept", annotator, good, bad, preference=-2, justification="the first")
        ratings.rate("split", annotator, [{"a": 0, "b": 2, "c": 4}[annotator], 0, 0, 0, 0], bad)
    ratings.rate("short", "a", good, bad)
    ratings.write(lake, settings)
    assert judge_annotators(lake, settings, "starter").trusted == 3

    waiting = retain_annotations(lake, settings, "starter")
    assert waiting.by_reason == {"awaiting_top_up": 8}
    lake.add("campaign_closings", PARTITION, "closing", _closing())
    closed = retain_annotations(lake, settings, "starter")
    assert (closed.annotations, closed.tasks, closed.tasks_kept) == (14, 3, 1)
    assert closed.by_stage == {"coverage": 2, "dispute": 6, "kept": 6}
    assert closed.by_reason == {"disputed": 6, "too_few": 2}

    reached = reach_consensus(lake, settings, "starter")
    assert (reached.tasks, reached.responses, reached.preferences, reached.without_preference) == (1, 2, 1, {})
    assert lake.read("preferences", PARTITION)["strength"].to_list() == [-2]
    figures = measure_agreement(lake, settings, "starter")
    assert figures.task_retention == pytest.approx(1 / 3)
    assert figures.retained["helpfulness"] == 1
    before = {
        table: lake.content_hash(table, PARTITION) for table in ("retained_annotations", "agreement", "consensus")
    }
    for step in (retain_annotations, measure_agreement, reach_consensus):
        step(lake, settings, "starter")
    assert before == {table: lake.content_hash(table, PARTITION) for table in before}


def test_a_campaign_without_annotations_gives_empty_tables(lake: Lake, settings: Settings) -> None:
    assert judge_annotators(lake, settings, "starter").annotators == 0
    assert retain_annotations(lake, settings, "starter").annotations == 0
    assert measure_agreement(lake, settings, "starter").collected == {}
    assert reach_consensus(lake, settings, "starter").tasks == 0
    for table in ("annotator_quality", "retained_annotations", "agreement", "consensus", "preferences"):
        assert lake.exists(table, PARTITION), table
        assert lake.rows(table, PARTITION) == 0, table


def _closing() -> pl.DataFrame:
    return pl.DataFrame({"campaign": ["starter"], "closed_at": [datetime(2026, 1, 2, tzinfo=UTC)]})
