"""The agreement filter, rule by rule, on campaigns small enough to follow by hand."""

from __future__ import annotations

from typing import Any

import pytest

from dagster_project.lake import Session
from dagster_project.quality.ballots import number_ratings
from dagster_project.quality.selection import MOST_SETS, largest_pool
from dagster_project.settings import AgreementPolicy
from tests.quality.ratings import Ratings, fates, prepared, retained, rubric


def one_task(**scores: list[int | None]) -> Ratings:
    """One task with one response and two attributes, of which the first decides."""
    ratings = Ratings()
    for annotator, given in scores.items():
        ratings.rate("t", annotator, given)
    return ratings


def coverage(ratings: Ratings, untrusted: tuple[str, ...] = (), **policy: Any) -> dict[str, tuple[object, ...]]:
    with Session() as session:
        prepared(session, ratings, rubric(), untrusted)
        number_ratings(session)
        rules = AgreementPolicy(**policy).model_dump()
        for name in ("campaign_tasks", "judged"):
            session.create(name, f"quality/{name}", rules)
        rows = session.query("quality/coverage", rules).drop("task")
    return {task: tuple(row) for task, *row in rows.iter_rows()}


def test_three_who_agree_are_kept() -> None:
    rows = retained(one_task(a=[3, 1], b=[3, 2], c=[4, 1]))
    assert fates(rows) == {"a": "kept", "b": "kept", "c": "kept"}
    assert {row["reason"] for row in rows} == {None}


def test_of_four_the_one_farthest_off_leaves() -> None:
    rows = retained(one_task(a=[3, 1], b=[0, 1], c=[4, 1], d=[3, 1]))
    assert fates(rows) == {"a": "kept", "b": "not_closest", "c": "kept", "d": "kept"}
    assert {row["stage"] for row in rows if row["annotator"] == "b"} == {"closest"}


def test_of_five_two_leave() -> None:
    rows = retained(one_task(a=[0, 0], b=[4, 0], c=[4, 0], d=[2, 0], e=[3, 0]))
    assert fates(rows) == {"a": "not_closest", "b": "kept", "c": "kept", "d": "not_closest", "e": "kept"}


def test_more_than_the_most_that_are_ordered_are_all_weighed() -> None:
    rows = retained(one_task(a=[0, 0], b=[1, 0], c=[2, 0], d=[2, 0], e=[4, 0], f=[4, 0], g=[4, 0]))
    assert [name for name, fate in fates(rows).items() if fate == "kept"] == ["e", "f", "g"]


def test_the_distance_counts_all_responses_of_the_task() -> None:
    ratings = Ratings()
    for annotator, scores in {"a": (0, 4), "b": (0, 0), "c": (1, 0), "d": (2, 0)}.items():
        ratings.rate("t", annotator, *([score, 0] for score in scores))
    assert fates(retained(ratings)) == {"a": "not_closest", "b": "kept", "c": "kept", "d": "kept"}


def test_a_tie_on_the_deciding_attribute_is_broken_by_all_attributes() -> None:
    rows = retained(one_task(a=[2, 4], b=[2, 0], c=[2, 1], d=[2, 0]))
    assert fates(rows) == {"a": "not_closest", "b": "kept", "c": "kept", "d": "kept"}


def test_a_tie_on_all_attributes_is_broken_by_the_sorted_ids() -> None:
    rows = retained(one_task(z=[2, 2], b=[2, 2], a=[2, 2], c=[2, 2]))
    assert fates(rows) == {"a": "kept", "b": "kept", "c": "kept", "z": "not_closest"}


def test_two_deciding_attributes_both_count() -> None:
    ratings = one_task(a=[2, 0], b=[2, 4], c=[2, 4], d=[3, 4])
    assert fates(retained(ratings)) == {"a": "kept", "b": "kept", "c": "kept", "d": "not_closest"}
    both = retained(ratings, rubric(deciding=(1, 2)))
    assert fates(both) == {"a": "not_closest", "b": "kept", "c": "kept", "d": "kept"}


def test_the_task_is_disputed_if_the_closest_are_too_far_apart_on_any_response() -> None:
    ratings = Ratings()
    for annotator, second in {"a": 0, "b": 1, "c": 3}.items():
        ratings.rate("t", annotator, [2, 2], [second, 2])
    rows = retained(ratings)
    assert fates(rows) == {"a": "disputed", "b": "disputed", "c": "disputed"}
    assert {row["stage"] for row in rows} == {"dispute"}


def test_a_range_of_exactly_the_threshold_is_no_dispute() -> None:
    assert set(fates(retained(one_task(a=[0, 0], b=[1, 0], c=[2, 0]))).values()) == {"kept"}


def test_all_different_opinions_leave_one_disputed_triple() -> None:
    rows = retained(one_task(a=[0, 0], b=[1, 0], c=[2, 0], d=[3, 0], e=[4, 0]), max_range=1)
    assert fates(rows) == {"a": "disputed", "b": "disputed", "c": "disputed", "d": "not_closest", "e": "not_closest"}


def test_a_missing_deciding_attribute_takes_the_annotators_whole_task_away() -> None:
    ratings = Ratings()
    for annotator in "abc":
        ratings.rate("t", annotator, [2, 2], [2, 2])
    ratings.rate("t", "d", [2, 2], [None, 2])
    rows = retained(ratings)
    assert fates(rows) == {"a": "kept", "b": "kept", "c": "kept", "d": "incomplete"}
    assert {row["stage"] for row in rows if row["annotator"] == "d"} == {"validity"}


def test_an_annotator_who_did_not_rate_every_response_is_incomplete() -> None:
    ratings = Ratings()
    for annotator in "abc":
        ratings.rate("t", annotator, [2, 2], [2, 2])
    ratings.rate("t", "d", [2, 2])
    assert fates(retained(ratings))["d"] == "incomplete"


def test_another_attribute_may_be_missing_and_then_counts_for_nothing() -> None:
    rows = retained(one_task(a=[2, 0], b=[2, 4], c=[2, None], d=[2, 4]))
    assert fates(rows) == {"a": "not_closest", "b": "kept", "c": "kept", "d": "kept"}


def test_a_flag_on_one_response_takes_the_annotators_whole_task_away() -> None:
    ratings = Ratings()
    for annotator in "abc":
        ratings.rate("t", annotator, [2, 2], [2, 2])
    ratings.rate("t", "d", [2, 2], [None, None], flags={2: ["needs_code"]})
    assert fates(retained(ratings)) == {"a": "kept", "b": "kept", "c": "kept", "d": "flagged"}


def test_a_task_that_most_annotators_flag_leaves_whole() -> None:
    ratings = one_task(a=[2, 2]).rate("t", "b", [2, 2], flags={1: ["x"]}).rate("t", "c", [2, 2], flags={1: ["x"]})
    assert fates(retained(ratings, closed=False)) == {"a": "task_flagged", "b": "task_flagged", "c": "task_flagged"}
    assert coverage(ratings) == {"t": (0, False, True, 3, 0)}


def test_a_task_that_half_of_its_annotators_flag_stays() -> None:
    ratings = one_task(a=[2, 2], b=[2, 2])
    for annotator in "cd":
        ratings.rate("t", annotator, [2, 2], flags={1: ["x"]})
    assert fates(retained(ratings)) == {"a": "too_few", "b": "too_few", "c": "flagged", "d": "flagged"}


def test_an_untrusted_annotator_leaves_and_another_stands_in() -> None:
    rows = retained(one_task(a=[2, 0], b=[2, 0], c=[2, 0], d=[4, 0]), untrusted=["b"])
    assert fates(rows) == {"a": "kept", "b": "untrusted", "c": "kept", "d": "kept"}
    assert {row["stage"] for row in rows if row["annotator"] == "b"} == {"trust"}


def test_a_task_awaits_its_top_up_until_the_campaign_is_closed() -> None:
    ratings = one_task(a=[2, 0], b=[2, 0], c=[2, 0])
    awaiting = {"a": "awaiting_top_up", "b": "untrusted", "c": "awaiting_top_up"}
    assert fates(retained(ratings, untrusted=["b"], closed=False)) == awaiting
    assert fates(retained(ratings, untrusted=["b"])) == {"a": "too_few", "b": "untrusted", "c": "too_few"}


def test_a_disputed_task_awaits_two_more_and_stands_without_them_once_closed() -> None:
    ratings = one_task(a=[0, 0], b=[1, 0], c=[3, 0])
    assert coverage(ratings) == {"t": (3, True, False, 5, 2)}
    assert set(fates(retained(ratings, closed=False)).values()) == {"awaiting_top_up"}
    assert set(fates(retained(ratings)).values()) == {"disputed"}
    answered = ratings.rate("t", "d", [3, 0]).rate("t", "e", [3, 0])
    assert [name for name, fate in fates(retained(answered, closed=False)).items() if fate == "kept"] == ["c", "d", "e"]


def test_coverage_says_what_every_task_of_the_campaign_needs() -> None:
    ratings = one_task(a=[2, 0], b=[2, 0], c=[2, 0], d=[2, 0])
    ratings.rate("few", "a", [1, 1])
    ratings.tasks["silent"] = 1
    assert coverage(ratings, untrusted=("a", "b"), max_annotators=4) == {
        "few": (0, False, False, 3, 3),
        "silent": (0, False, False, 3, 3),
        "t": (2, False, False, 3, 1),
    }
    disputed = one_task(a=[0, 0], b=[4, 0])
    assert coverage(disputed, max_annotators=4) == {"t": (2, True, False, 4, 2)}


@pytest.mark.parametrize(("lowest", "highest"), [(1, 5), (-2, 2), (-100, 27)])
def test_any_scale_will_do(lowest: int, highest: int) -> None:
    ratings = one_task(a=[lowest, lowest], b=[highest, lowest], c=[highest, highest], d=[highest - 1, highest])
    rows = retained(ratings, rubric(lowest=lowest, highest=highest))
    assert fates(rows) == {"a": "not_closest", "b": "kept", "c": "kept", "d": "kept"}


@pytest.mark.parametrize(("closest", "kept"), [(1, ["a"]), (2, ["c", "d"]), (4, ["b", "c", "d", "e"])])
def test_sets_of_any_size_can_be_kept(closest: int, kept: list[str]) -> None:
    ratings = one_task(a=[0, 0], b=[1, 4], c=[3, 0], d=[3, 0], e=[2, 1])
    rows = retained(ratings, closest=closest, annotators=4)
    assert [name for name, fate in fates(rows).items() if fate == "kept"] == kept


def test_up_to_fifteen_annotators_every_set_is_weighed() -> None:
    assert all(largest_pool(closest) >= 15 for closest in range(1, 10))
    assert largest_pool(3) == 34
    assert MOST_SETS == 6435


def test_a_crowd_on_one_task_is_searched_around_its_medoid_where_all_sets_cannot_be_counted_out() -> None:
    crowd = {f"n{number:03}": [number % 5, number % 3] for number in range(150)}
    rows = retained(one_task(**crowd), closest=7, annotators=7, max_annotators=15)
    kept = [tuple(row["scores"]) for row in rows if row["stage"] == "kept"]
    assert kept == [(2, 1)] * 7


def test_an_empty_campaign_has_no_rows() -> None:
    assert retained(Ratings()) == []


def flagged_and_incomplete() -> Ratings:
    """Five annotators, of whom one flags the task, one leaves the deciding attribute out, and one is far off."""
    ratings = one_task(a=[3, 1], b=[3, 1], c=[0, 1])
    return ratings.rate("t", "d", [None, 1]).rate("t", "e", [4, 1], flags={1: ["not_english"]})


def test_flags_can_be_switched_off() -> None:
    assert fates(retained(flagged_and_incomplete()))["e"] == "flagged"
    assert fates(retained(flagged_and_incomplete(), drop_flagged=False)) == {
        "a": "kept",
        "b": "kept",
        "c": "not_closest",
        "d": "incomplete",
        "e": "kept",
    }


def test_incomplete_annotations_can_stay_and_their_gaps_count_for_nothing() -> None:
    found = fates(retained(flagged_and_incomplete(), drop_incomplete=False))
    assert found == {"a": "kept", "b": "kept", "c": "not_closest", "d": "kept", "e": "flagged"}


def test_the_untrusted_can_stay() -> None:
    ratings = one_task(a=[3, 1], b=[3, 1], c=[4, 1])
    assert fates(retained(ratings, untrusted=["c"]))["c"] == "untrusted"
    assert set(fates(retained(ratings, untrusted=["c"], drop_untrusted=False)).values()) == {"kept"}


def test_all_can_be_kept_instead_of_the_closest() -> None:
    ratings = one_task(a=[3, 1], b=[3, 1], c=[4, 1], d=[2, 1])
    assert set(fates(retained(ratings, closest=None)).values()) == {"kept"}
    assert set(fates(retained(ratings, closest=None, max_range=1)).values()) == {"disputed"}


def test_each_response_can_have_its_own_closest() -> None:
    ratings = Ratings()
    for annotator, scores in {"a": (0, 4), "b": (0, 0), "c": (1, 0), "d": (4, 0)}.items():
        ratings.rate("t", annotator, *([score, 0] for score in scores))
    assert fates(retained(ratings, max_range=4)) == {"a": "not_closest", "b": "kept", "c": "kept", "d": "kept"}
    kept = {
        (row["position"], row["annotator"])
        for row in retained(ratings, closest_of="response")
        if row["stage"] == "kept"
    }
    assert kept == {(1, "a"), (1, "b"), (1, "c"), (2, "b"), (2, "c"), (2, "d")}


def test_a_dispute_over_one_response_excludes_the_task_also_where_each_has_its_own_closest() -> None:
    ratings = Ratings()
    for annotator, scores in {"a": (3, 0), "b": (3, 2), "c": (3, 4)}.items():
        ratings.rate("t", annotator, *([score, 0] for score in scores))
    assert set(fates(retained(ratings, closest_of="response")).values()) == {"disputed"}


def test_ties_can_be_left_to_the_sorted_ids() -> None:
    ratings = one_task(a=[2, 0], b=[2, 4], c=[2, 4], d=[2, 4])
    assert fates(retained(ratings))["a"] == "not_closest"
    assert fates(retained(ratings, break_ties=False))["d"] == "not_closest"


def test_disputes_and_the_least_number_of_annotators_can_be_changed() -> None:
    split = one_task(a=[0, 1], b=[2, 1], c=[4, 1])
    assert set(fates(retained(split)).values()) == {"disputed"}
    assert set(fates(retained(split, max_range=None)).values()) == {"kept"}
    pair = one_task(a=[3, 1], b=[3, 1])
    assert set(fates(retained(pair)).values()) == {"too_few"}
    assert set(fates(retained(pair, annotators=2, closest=2)).values()) == {"kept"}
    assert set(fates(retained(one_task(a=[3, 1]), annotators=1, closest=1)).values()) == {"kept"}
