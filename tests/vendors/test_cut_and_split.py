"""Deliveries that break off at any byte, in any order and any splitting."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from dagster_project.lake import Lake
from dagster_project.settings import Settings
from dagster_project.vendors import merge, take_in
from dagster_project.vendors.bulk import Bulk
from dagster_project.vendors.sorting import Sorter
from tests.vendors.vendor_inputs import rating

Tasks = list[dict[str, Any]]
Deliver = Callable[..., Path]
WORDS = ["Zoë", 'She said: "no"', "two\nlines", "a, b; c", "\\", "", "e\u0301", "null", "🙂", "worker 1"]
relaxed = hypothesis_settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
one = st.fixed_dictionaries(
    {
        "task": st.integers(0, 3),
        "response": st.integers(0, 1),
        "annotator": st.sampled_from(["worker 1", "w2", "Zoë", "1.5E+12"]),
        "helpfulness": st.sampled_from([0, 4, None, 5, "3", 2.0, True, "high"]),
        "flags": st.sampled_from([[], ["needs_code"], None, "needs_code"]),
        "preference": st.sampled_from([-3, 1, 0, None, "2"]),
        "justification": st.sampled_from(WORDS),
        "submitted_at": st.sampled_from(
            ["2026-03-01T00:00:00Z", "2026-03-01T01:00:00+01:00", "2026-02-30T00:00:00Z", "2026-03-02 10:00:00+00:00"]
        ),
        "revision": st.sampled_from([1, 2, None, 0, 70000]),
        "withdrawn": st.sampled_from([False, True, None, "true"]),
        "seconds": st.sampled_from([None, 0, 41.25, -1, 1e300]),
        "round": st.sampled_from([1, 2, 128, None]),
    }
)


def rows_of(tasks: Tasks, drawn: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [rating(tasks[row.pop("task")], row.pop("response"), **row) for row in map(dict, drawn)]


def as_jsonl(rows: list[dict[str, Any]], escape: bool = False) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=escape) + "\n" for row in rows).encode()


def as_csv(rows: list[dict[str, Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\r\n")
    writer.writeheader()
    writer.writerows({**row, "flags": ";".join(row["flags"])} for row in rows)
    return text.getvalue().encode()


def taken(lake: Lake, settings: Settings, deliver: Deliver, **files: bytes) -> tuple[pl.DataFrame, pl.DataFrame]:
    for table in ("intake", "deliveries", "quarantine"):
        shutil.rmtree(lake.root / table, ignore_errors=True)
    for name, content in files.items():
        deliver("acme", name.replace("_", "."), content)
    take_in(lake, settings, "acme")
    accepted, broken = (lake.read(table).sort("delivery_id", "row_number") for table in ("deliveries", "quarantine"))
    return accepted, broken


MENDED = (
    lambda line: line,
    lambda line: line.replace('"helpfulness"', '"helpfulness": 1, "helpfulness"'),
    lambda line: line.replace('"helpfulness"', '"wit": {"helpfulness": 1}, "helpfulness_too"'),
    lambda line: line.replace('"coherence"', '"coherence_too"'),
    lambda line: line.replace('"coherence"', '"coherenc\\u0065"'),
    lambda line: line.replace("{", '{"wit": NaN, ', 1),
    lambda line: line.replace("{", '{"wit": 01, ', 1),
    lambda line: line.replace("{", '{"wit": "x", ', 1),
    lambda line: line.replace("{", "{\n", 1),
    lambda line: line.replace("}\n", "}"),
    lambda line: line.replace("}\n", "}\n\n"),
    lambda line: line.replace("}\n", "} \r\n"),
    lambda line: line.replace("}\n", "} }\n"),
    lambda line: line.replace(": ", ":"),
    lambda line: line.replace(": ", " : "),
    lambda line: "[1]\n" + line,
)
"""What may have been done to a line of JSON, to its letters rather than to what it says."""
a_good_one = {"task": 0, "response": 0, "annotator": "worker 1", "helpfulness": 3, "flags": [], "preference": 1}
nearly_good = st.builds(
    lambda drawn, kept: {name: value for name, value in drawn.items() if name in kept} | {"task": drawn["task"]},
    one,
    st.lists(st.sampled_from([*a_good_one, "justification", "submitted_at", "revision", "seconds"]), max_size=2),
).map(lambda changes: a_good_one | changes)


@pytest.mark.slow
@hypothesis_settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    drawn=st.lists(st.tuples(nearly_good, st.sampled_from(MENDED)), min_size=1, max_size=9),
    whole=st.booleans(),
    escape=st.booleans(),
)
def test_rows_taken_in_bulk_are_those_that_are_accepted_one_by_one(
    lake: Lake, settings: Settings, first_round: Tasks, deliver: Deliver, drawn: Any, whole: bool, escape: bool
) -> None:
    rows = rows_of(first_round, [row for row, _ in drawn])
    lines = [json.dumps(row, ensure_ascii=escape) + "\n" for row in rows]
    content = "".join(line if whole else mend(line) for line, (_, mend) in zip(lines, drawn, strict=True)).encode()
    in_bulk = taken(lake, settings, deliver, a_jsonl=content)
    bulk, Bulk.accept = Bulk.accept, lambda *_: None  # type: ignore[method-assign, assignment, return-value]
    try:
        by_one = taken(lake, settings, deliver, a_jsonl=content)
    finally:
        Bulk.accept = bulk  # type: ignore[method-assign]
    for left, right in zip(in_bulk, by_one, strict=True):
        assert left.to_dicts() == right.to_dicts()


def test_good_rows_are_taken_in_bulk(
    lake: Lake, settings: Settings, first_round: Tasks, deliver: Deliver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A block of good rows whole, and of a block with broken ones all others; only the broken are looked at alone."""
    looked_at = []
    alone = Sorter._sort_one
    monkeypatch.setattr(Sorter, "_sort_one", lambda *given: (looked_at.append(given), alone(*given)))
    good = [rating(task, helpfulness=None, seconds=41.5, note="x") for task in first_round]
    assert taken(lake, settings, deliver, a_jsonl=as_jsonl(good))[0].height == 10
    assert not looked_at
    mixed = [*good, rating(first_round[0], helpfulness="high", seconds=1, note="x"), good[0] | {"helpfulness": 1}]
    assert taken(lake, settings, deliver, a_jsonl=as_jsonl(mixed))[0].height == 11
    assert len(looked_at) == 1


@relaxed
@given(data=st.data(), drawn=st.lists(st.sampled_from(WORDS), min_size=1, max_size=5), kind=st.sampled_from("jc"))
def test_a_file_cut_at_any_byte_loses_no_whole_row_before_the_cut(
    lake: Lake, settings: Settings, first_round: Tasks, deliver: Deliver, data: st.DataObject, drawn: Any, kind: str
) -> None:
    rows = [rating(task, justification=words) for task, words in zip(first_round, drawn, strict=False)]
    write, name = (as_jsonl, "a_jsonl") if kind == "j" else (as_csv, "a_csv")
    ends = [len(write(rows[: count + 1])) for count in range(len(rows))]
    begin = ends[0] - len(write([rows[0]])) + (0 if kind == "j" else write(rows).index(b"\n") + 1)
    cut = data.draw(st.integers(begin + 1, ends[-1]))
    accepted, broken = taken(lake, settings, deliver, **{name: write(rows)[:cut]})
    whole = sum(end <= cut for end in ends)
    assert set(accepted["task_id"]) >= {row["task_id"] for row in rows[:whole]}
    unfinished = cut not in (*ends, begin)
    assert accepted.height + (broken.height > 0) == whole + unfinished


@pytest.mark.slow
@relaxed
@given(data=st.data(), drawn=st.lists(one, min_size=1, max_size=14))
def test_any_order_and_splitting_gives_the_same_annotations(
    lake: Lake, settings: Settings, first_round: Tasks, deliver: Deliver, data: st.DataObject, drawn: Any
) -> None:
    rows = rows_of(first_round, drawn)
    shuffled = data.draw(st.permutations(rows))
    cut = data.draw(st.integers(0, len(rows)))
    taken(lake, settings, deliver, a_jsonl=as_jsonl(rows))
    merge(lake, "first")
    once = lake.read("annotations").drop("delivery_id", "row_number").to_dicts()
    files = {"b_jsonl": as_jsonl(shuffled[:cut]), "c_jsonl": as_jsonl(shuffled[cut:])}
    taken(lake, settings, deliver, **files)
    merge(lake, "first")
    assert lake.read("annotations").drop("delivery_id", "row_number").to_dicts() == once
