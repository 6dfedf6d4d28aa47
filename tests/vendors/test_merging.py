"""Which of several deliveries of one rating counts."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from dagster_project.lake import Lake
from dagster_project.settings import Settings
from dagster_project.vendors import Merged, merge, take_in
from tests.vendors.vendor_inputs import fates, rating

Tasks = list[dict[str, Any]]
Deliver = Callable[..., Path]
NOON = "2026-03-02T12:00:00+00:00"


@pytest.fixture
def merged(lake: Lake, settings: Settings, deliver: Deliver) -> Callable[..., Merged]:
    """Deliver each list of rows as a file of its own, and merge."""

    def after(*files: list[dict[str, Any]]) -> Merged:
        for number, rows in enumerate(files):
            deliver("acme", f"{number}.jsonl", rows)
            take_in(lake, settings, "acme")
        return merge(lake, "first")

    return after


def used(lake: Lake) -> list[dict[str, Any]]:
    return lake.read("annotations", {"campaign": "first"}).to_dicts()


def test_the_latest_by_the_vendors_time_wins_whatever_arrives_last(
    lake: Lake, first_round: Tasks, merged: Callable[..., Merged]
) -> None:
    task = first_round[0]
    new, old = rating(task, submitted_at=NOON, helpfulness=1), rating(task, helpfulness=4, revision=7)
    assert merged([new], [old]) == Merged(used=1, superseded=1)
    (row,) = used(lake)
    assert (row["scores"][0], row["position"]) == (1, task["responses"][0]["position"])


def test_at_the_same_time_the_higher_revision_wins(
    lake: Lake, first_round: Tasks, merged: Callable[..., Merged]
) -> None:
    task = first_round[0]
    assert merged([rating(task, revision=2, helpfulness=1), rating(task)]) == Merged(used=1, superseded=1)
    assert used(lake)[0]["scores"][0] == 1


def test_rows_that_say_the_same_count_once(first_round: Tasks, merged: Callable[..., Merged]) -> None:
    task = first_round[0]
    assert merged([rating(task), rating(task)], [rating(task), rating(first_round[1])]) == Merged(used=2, duplicate=2)


def test_two_that_differ_and_cannot_be_ordered_are_both_quarantined(
    lake: Lake, first_round: Tasks, merged: Callable[..., Merged]
) -> None:
    task = first_round[0]
    older = rating(task, submitted_at="2026-01-01T00:00:00Z")
    counts = merged([rating(task), older], [rating(task, helpfulness=0), rating(task)])
    assert counts == Merged(superseded=1, duplicate=1, quarantined=2)
    assert used(lake) == []
    rules = lake.read("annotation_fates").filter(fate="quarantined")["rule"].to_list()
    assert rules == ["unordered", "unordered"]


def test_a_later_row_settles_what_could_not_be_ordered(first_round: Tasks, merged: Callable[..., Merged]) -> None:
    task = first_round[0]
    counts = merged([rating(task), rating(task, helpfulness=0)], [rating(task, submitted_at=NOON)])
    assert counts == Merged(used=1, superseded=2)


def test_a_withdrawn_rating_takes_the_older_ones_with_it(
    lake: Lake, first_round: Tasks, merged: Callable[..., Merged]
) -> None:
    task = first_round[0]
    counts = merged([rating(task), rating(task, 1)], [rating(task, submitted_at=NOON, withdrawn=True)])
    assert counts == Merged(used=1, superseded=1, withdrawn=1)
    assert used(lake)[0]["response_id"] == task["responses"][1]["response_id"]


def test_rows_that_broke_a_rule_are_accounted_for_with_it(
    lake: Lake, first_round: Tasks, merged: Callable[..., Merged]
) -> None:
    assert merged([rating(first_round[0]), rating(first_round[0], helpfulness=9)]) == Merged(used=1, quarantined=1)
    assert lake.read("annotation_fates").filter(fate="quarantined")["rule"].to_list() == ["out_of_scale"]


def test_a_campaign_without_deliveries_merges_to_nothing(lake: Lake, first_round: Tasks) -> None:
    assert merge(lake, "first") == Merged()
    assert lake.exists("annotations", {"campaign": "first"})
    assert lake.rows("annotations") == lake.rows("annotation_fates") == 0


one_rating = st.fixed_dictionaries(
    {
        "task": st.integers(0, 1),
        "annotator": st.sampled_from(["ann", "bob"]),
        "helpfulness": st.integers(2, 3),
        "revision": st.integers(1, 2),
        "day": st.integers(1, 2),
        "withdrawn": st.booleans(),
    }
)


@pytest.mark.slow
@hypothesis_settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), drawn=st.lists(one_rating, min_size=1, max_size=12))
def test_the_outcome_depends_on_neither_order_nor_files(
    lake: Lake, settings: Settings, first_round: Tasks, deliver: Deliver, data: st.DataObject, drawn: Any
) -> None:
    rows = [
        rating(first_round[one.pop("task")], **one, submitted_at=f"2026-03-0{one.pop('day')}T00:00:00Z")
        for one in map(dict, drawn)
    ]
    shuffled = data.draw(st.permutations(rows))
    cut = data.draw(st.integers(0, len(rows)))
    one_file = _outcome(lake, settings, deliver, [rows])
    two_files = _outcome(lake, settings, deliver, [shuffled[:cut], shuffled[cut:]])
    assert one_file == two_files == _expected(rows)


def _outcome(lake: Lake, settings: Settings, deliver: Deliver, files: list[Any]) -> tuple[Counter[str], set[Any]]:
    """Merge the files alone; return the count of each fate, and what is used."""
    for table in ("intake", "deliveries", "quarantine"):
        shutil.rmtree(lake.root / table, ignore_errors=True)
    contents = [rows for rows in files if rows]
    distinct = [rows for place, rows in enumerate(contents) if rows not in contents[:place]]
    for number, rows in enumerate(contents):
        # the same file twice is one delivery; a further field makes it another
        tagged = rows if rows in distinct and distinct.index(rows) == number else [row | {"part": 2} for row in rows]
        deliver("acme", f"{number}.jsonl", tagged)
    take_in(lake, settings, "acme")
    counts = {fate: count for fate, count in asdict(merge(lake, "first")).items() if count}
    assert counts == fates(lake, "first")
    assert sum(counts.values()) == lake.read("intake")["rows"].sum()
    kept = {(row["task_id"], row["annotator"], row["scores"][0], row["submitted_at"].day) for row in used(lake)}
    return Counter(counts), {(task, score, day) for task, _, score, day in kept}


def _expected(rows: Tasks) -> tuple[Counter[str], set[Any]]:
    """Say the rules again, plainly."""
    counts: Counter[str] = Counter()
    kept = set()
    units: dict[Any, list[dict[str, Any]]] = {}
    for row in rows:
        units.setdefault((row["task_id"], row["annotator"]), []).append(row)
    for unit in units.values():
        distinct = [row for place, row in enumerate(unit) if row not in unit[:place]]
        counts["duplicate"] += len(unit) - len(distinct)
        last = max((row["submitted_at"], row["revision"]) for row in distinct)
        latest = [row for row in distinct if (row["submitted_at"], row["revision"]) == last]
        counts["superseded"] += len(distinct) - len(latest)
        if len(latest) > 1:
            counts["quarantined"] += len(latest)
        elif latest[0]["withdrawn"]:
            counts["withdrawn"] += 1
        else:
            counts["used"] += 1
            kept.add((latest[0]["task_id"], latest[0]["helpfulness"], int(latest[0]["submitted_at"][8:10])))
    return +counts, kept
