"""The simulated vendor: rounds in, deliveries out, and nothing but files in between."""

from __future__ import annotations

import csv
import itertools
import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from sklearn.metrics import cohen_kappa_score

from dagster_project.errors import SteerworksError
from dagster_project.simulation import PANEL, answer_outbox

ATTRIBUTES = ("usefulness", "truth", "clarity", "depth", "length")
HONEST = {worker.name for worker in PANEL[:8]}
CARELESS, BIASED, COPIER, STRAIGHT = (worker.name for worker in PANEL[8:])
COPIED = "Simulated Rater 03"
WORDS = [start + end for start in ("riv", "gard", "mirr", "lant", "pepp") for end in ("er", "en", "or", "als", "ic")]


def task(number: int, round_number: int = 1, responses: int = 2, **changes: Any) -> dict[str, Any]:
    dice = random.Random(number)
    texts = [" ".join(dice.choices(WORDS, k=dice.randrange(5, 70))) + dice.choice([".", ""]) for _ in range(responses)]
    return {
        "task_id": f"t-{number}",
        "campaign": "tests",
        "round": round_number,
        "guideline_version": "1.0",
        "annotators": 3,
        "messages": [{"role": "user", "content": "Tell me about the river and the market."}],
        "responses": [
            {"response_id": f"r-{number}-{place}", "position": place, "text": text}
            for place, text in enumerate(texts, start=1)
        ],
        "exclude_annotators": [],
    } | changes


def export(home: Path, tasks: list[dict[str, Any]], round_number: int = 1, **changes: Any) -> None:
    rubric = {
        "name": "tests",
        "version": "1",
        "scale": {"lowest": 0, "highest": 4},
        "attributes": [{"name": name, "description": name, "levels": {}} for name in ATTRIBUTES],
        "flags": [{"name": "unsafe", "description": "x"}, {"name": "foreign", "description": "x"}],
        "preference": True,
    } | changes
    folder = home / "outbox" / "simulated" / "tests"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "rubric.json").write_text(json.dumps(rubric))
    lines = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in tasks)
    (folder / f"round-{round_number}.jsonl").write_text(lines)


def answer(home: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in answer_outbox(home / "outbox", home / "inbox")}


def rows_of(content: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in content.decode().split("\n") if line]


@pytest.fixture
def eighty(tmp_path: Path) -> list[dict[str, Any]]:
    """The rows of the first delivery for eighty tasks of three raters."""
    export(tmp_path, [task(number) for number in range(80)])
    return rows_of(answer(tmp_path)["tests-round-1.jsonl"])


def scores(row: dict[str, Any]) -> tuple[int | None, ...]:
    return tuple(row[name] for name in ATTRIBUTES)


def test_the_same_outbox_gives_the_same_bytes(tmp_path: Path) -> None:
    export(tmp_path, [task(number) for number in range(12)])
    first, second = answer(tmp_path), answer(tmp_path)
    assert first == second
    assert sorted(first) == ["tests-round-1-corrections.csv", "tests-round-1.jsonl"]
    assert sorted(path.name for path in (tmp_path / "inbox" / "simulated").iterdir()) == sorted(first)


def test_three_raters_rate_every_response_and_say_that_they_are_simulated(eighty: list[dict[str, Any]]) -> None:
    raters = Counter((row["task_id"], row["response_id"]) for row in {json.dumps(row): row for row in eighty}.values())
    assert sum(count == 3 for count in raters.values()) == 159
    assert all(row["simulated"] is True for row in eighty)
    assert all("imulated" in row["justification"] for row in eighty)
    assert {row["preference"] for row in eighty} == {-3, -2, -1, 1, 2, 3}


def test_everybody_works_and_the_copier_works_the_shifts_of_the_copied(eighty: list[dict[str, Any]]) -> None:
    tasks: dict[str, set[str]] = {}
    for row in eighty:
        tasks.setdefault(row["annotator"], set()).add(row["task_id"])
    assert len(tasks) == 12
    assert min(len(rated) for rated in tasks.values()) >= 12
    assert len(tasks[COPIER] & tasks[COPIED]) >= 8


def test_the_panel_has_the_flaws_that_are_to_be_found(eighty: list[dict[str, Any]]) -> None:
    given: dict[str, dict[str, tuple[int | None, ...]]] = {}
    for row in eighty:
        given.setdefault(row["annotator"], {})[row["response_id"]] = scores(row)
    shared = given[COPIER].keys() & given[COPIED].keys()
    assert sum(given[COPIER][one] == given[COPIED][one] for one in shared) / len(shared) > 0.9
    lines = [set(one) for one in given[STRAIGHT].values() if None not in one]
    assert all(len(one) == 1 for one in lines)
    mean = {name: _mean([one for row in ratings.values() for one in row]) for name, ratings in given.items()}
    honest = _mean([mean[name] for name in HONEST])
    assert honest - mean[BIASED] > 1.2
    assert all(abs(honest - mean[name]) < 0.7 for name in HONEST)
    assert _mean_distance(eighty, CARELESS) > 1.4 * max(_mean_distance(eighty, name) for name in HONEST)


def _mean(values: list[Any]) -> float:
    known = [value for value in values if value is not None]
    return sum(known) / len(known)


def _mean_distance(rows: list[dict[str, Any]], name: str) -> float:
    """How far a rater's first scores are from those of honest others on the same response."""
    first = ATTRIBUTES[0]
    others: dict[str, list[int | None]] = {}
    for row in rows:
        if row["annotator"] in HONEST - {name} and row[first] is not None:
            others.setdefault(row["response_id"], []).append(row[first])
    own = [row for row in rows if row["annotator"] == name and row[first] is not None and row["response_id"] in others]
    return _mean([abs(row[first] - _mean(others[row["response_id"]])) for row in own])


def test_honest_raters_agree_as_people_do(eighty: list[dict[str, Any]]) -> None:
    by_response: dict[str, dict[str, int]] = {}
    for row in eighty:
        if row["annotator"] in HONEST and row[ATTRIBUTES[0]] is not None:
            by_response.setdefault(row["response_id"], {})[row["annotator"]] = row[ATTRIBUTES[0]]
    pairs = [pair for ratings in by_response.values() for pair in itertools.permutations(ratings.values(), 2)]
    assert 0.5 < cohen_kappa_score(*zip(*pairs, strict=True), weights="quadratic") < 0.75


def test_about_one_response_of_fifty_is_flagged_and_not_rated(eighty: list[dict[str, Any]]) -> None:
    flagged = [row for row in eighty if row["flags"]]
    assert 3 <= len(flagged) <= 20
    assert all(scores(row) == (None,) * 5 for row in flagged)
    assert {flag for row in flagged for flag in row["flags"]} <= {"unsafe", "foreign"}


def test_the_first_round_has_the_mishaps_of_a_real_delivery(tmp_path: Path) -> None:
    export(tmp_path, [task(number) for number in range(20)])
    files = answer(tmp_path)
    rows = rows_of(files["tests-round-1.jsonl"])
    corrected, late, outdated = csv.DictReader(files["tests-round-1-corrections.csv"].decode().splitlines())
    delivered = {(row["task_id"], row["response_id"], row["annotator"]): row for row in rows}
    assert len(rows) - len(delivered) == 1
    unit = ("task_id", "response_id", "annotator")
    assert tuple(late[name] for name in unit) not in delivered
    before = delivered[corrected["task_id"], corrected["response_id"], corrected["annotator"]]
    assert (before["revision"], corrected["revision"]) == (1, "2")
    assert corrected["submitted_at"] > before["submitted_at"]
    assert corrected["length"] != str(before["length"])
    newer = delivered[outdated["task_id"], outdated["response_id"], outdated["annotator"]]
    assert outdated["submitted_at"] < newer["submitted_at"]


def test_a_later_round_goes_to_others_and_to_the_experienced_first(tmp_path: Path) -> None:
    excluded = [worker.name for worker in PANEL[:3]]
    tasks = [task(number, 2, annotators=2, exclude_annotators=excluded) for number in range(10)]
    export(tmp_path, tasks, round_number=2)
    files = answer(tmp_path)
    assert list(files) == ["tests-round-2.jsonl"]
    raters = {(row["task_id"], row["annotator"]) for row in rows_of(files["tests-round-2.jsonl"])}
    assert len(raters) == 20
    assert {name for _, name in raters} == {worker.name for worker in PANEL if worker.experienced} - set(excluded)


def test_more_raters_than_there_are_cannot_be_sent(tmp_path: Path) -> None:
    tasks = [task(1, 2, annotators=4, exclude_annotators=[worker.name for worker in PANEL[:10]])]
    export(tmp_path, tasks, round_number=2)
    (content,) = answer(tmp_path).values()
    assert {row["annotator"] for row in rows_of(content)} == {COPIER, STRAIGHT}


def test_any_rubric_is_rated_on_its_own_scale(tmp_path: Path) -> None:
    attributes = [{"name": f"a{i}", "description": "x", "levels": {}} for i in range(7)]
    scale = {"lowest": -3, "highest": 6}
    export(tmp_path, [task(i, responses=1) for i in range(30)], attributes=attributes, scale=scale, flags=[])
    rows = rows_of(answer(tmp_path)["tests-round-1.jsonl"])
    given = {row[f"a{i}"] for row in rows for i in range(7)}
    assert given == set(range(-3, 7))
    assert all(row["preference"] is None and row["justification"] is None for row in rows)


def test_an_empty_outbox_is_answered_with_nothing(tmp_path: Path) -> None:
    assert answer(tmp_path) == {}


def test_a_line_separator_within_a_text_is_no_new_line(tmp_path: Path) -> None:
    messages = [{"role": "user", "content": "One\u2028two\x85three"}]
    export(tmp_path, [task(1, messages=messages)])
    assert len(rows_of(answer(tmp_path)["tests-round-1.jsonl"])) == 6


def test_a_round_without_a_rubric_is_an_error(tmp_path: Path) -> None:
    export(tmp_path, [task(1)])
    (tmp_path / "outbox" / "simulated" / "tests" / "rubric.json").unlink()
    with pytest.raises(SteerworksError, match=r"rubric\.json: no such file. Export the round again"):
        answer(tmp_path)
