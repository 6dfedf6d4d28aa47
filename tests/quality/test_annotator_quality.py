"""Annotators' records by hand, and a panel whose flaws are known."""

from __future__ import annotations

import itertools
import math
import random
import statistics
from collections.abc import Iterator
from typing import Any

import polars as pl
import pytest

from dagster_project.lake import Lake, Session
from dagster_project.quality import judge_annotators
from dagster_project.quality.annotator_page import annotator_page
from dagster_project.settings import Settings, TrustRules
from tests.quality.ratings import PARTITION, Ratings, on_scale, prepared, rubric


def records(ratings: Ratings, attributes: int = 2, **rules: float | None) -> dict[str, dict[str, Any]]:
    with Session() as session:
        prepared(session, ratings, rubric(attributes))
        rows = session.query("quality/annotator_quality", TrustRules(**rules).model_dump())
    return {row["annotator"]: row for row in rows.to_dicts()}


def of_all(records: dict[str, dict[str, Any]], column: str) -> dict[str, Any]:
    return {annotator: row[column] for annotator, row in records.items()}


def test_deviation_and_bias_are_measured_from_the_mean_of_the_others() -> None:
    ratings = Ratings().rate("t", "a", [4, 2]).rate("t", "b", [2, 2]).rate("t", "c", [1, None])
    found = records(ratings)
    assert of_all(found, "deviation") == {"a": (2.5 + 0) / 2, "b": (0.5 + 0) / 2, "c": 2.0}
    assert of_all(found, "bias") == {"a": 1.25, "b": -0.25, "c": -2.0}
    assert of_all(found, "tasks") == {"a": 1, "b": 1, "c": 1}


def test_an_annotator_without_others_has_no_deviation_and_is_trusted() -> None:
    [row] = records(Ratings().rate("t", "a", [4, 0]), min_tasks=1).values()
    assert (row["deviation"], row["bias"], row["identical"], row["identical_with"]) == (None, None, None, None)
    assert (row["trusted"], row["shared_tasks"]) == (True, 0)


def test_straight_lining_counts_tasks_with_more_than_two_scores_that_are_one_number() -> None:
    ratings = Ratings().rate("t", "a", [3, 3], [3, 3]).rate("u", "a", [3, 3], [3, 2]).rate("v", "a", [3, 3])
    assert records(ratings)["a"]["straight_lining"] == 0.5
    assert records(Ratings().rate("v", "a", [3, 3]))["a"]["straight_lining"] is None


def test_identical_names_the_likest_other_and_on_how_many_tasks() -> None:
    ratings = Ratings()
    for task in range(6):
        ratings.rate(f"t{task}", "a", [task % 4, 1], [2, 2])
        ratings.rate(f"t{task}", "b", [task % 4, 1], [2, 2 if task else 3])
        ratings.rate(f"t{task}", "c", [task % 4, 1], [1, 2])
    for task in range(1, 6):
        ratings.rate(f"t{task}", "d", [task % 4, 1], [2, 2])
    found = records(ratings, min_tasks=1, max_identical=0.8)
    assert (found["a"]["identical"], found["a"]["identical_with"], found["a"]["shared_tasks"]) == (5 / 6, "b", 6)
    assert found["c"]["identical"] == 0
    assert found["d"]["identical"] is None
    assert of_all(found, "rule") == {"a": "identical", "b": "identical", "c": None, "d": None}
    assert (found["a"]["figure"], found["a"]["threshold"]) == (5 / 6, 0.8)


def test_flagged_is_the_share_of_responses() -> None:
    ratings = Ratings().rate("t", "a", [1, 1], [None, None], flags={2: ["needs_code"]})
    ratings.rate("t", "b", [None, None], [None, None], flags={1: ["x"], 2: ["x"]})
    found = records(ratings)
    assert of_all(found, "flagged") == {"a": 0.5, "b": 1.0}
    assert of_all(found, "tasks") == {"a": 1, "b": 0}


def far_off(**rules: float | None) -> dict[str, Any]:
    ratings = Ratings()
    for task in range(10):
        for annotator, score in {"a": 0, "b": 0, "c": 4}.items():
            ratings.rate(f"t{task}", annotator, [score, score], [score, score])
    return records(ratings, **rules)["c"]


def test_the_first_rule_broken_is_named_with_its_figure() -> None:
    row = far_off()
    assert (row["rule"], row["figure"], row["threshold"], row["trusted"]) == ("bias", 4.0, 0.9, False)
    assert far_off(max_bias=None)["rule"] == "deviation"
    assert far_off(max_bias=4.0)["rule"] == "deviation"
    assert far_off(max_deviation=None, max_bias=None)["rule"] == "straight_lining"
    assert far_off(max_deviation=None, max_bias=None, max_straight_lining=None)["trusted"]


def test_few_tasks_are_no_evidence() -> None:
    assert far_off(min_tasks=10)["trusted"] is False
    assert far_off(min_tasks=11)["trusted"] is True


def test_a_negative_bias_breaks_the_rule_too() -> None:
    ratings = Ratings()
    for task in range(10):
        for annotator, score in {"a": 3, "b": 3, "c": 2}.items():
            ratings.rate(f"t{task}", annotator, [score, task % 2])
    row = records(ratings, max_bias=0.4)["c"]
    assert (row["bias"], row["rule"], row["figure"]) == (-0.5, "bias", 0.5)


def test_agreement_is_the_share_of_the_others_with_the_same_number() -> None:
    ratings = Ratings()
    for task in range(20):
        ratings.rate(f"t{task}", "a", [4, 2]).rate(f"t{task}", "b", [4, 1]).rate(f"t{task}", "c", [4, 2])
    found = records(ratings)
    assert of_all(found, "agreement") == {"a": 0.75, "b": 0.5, "c": 0.75}
    assert of_all(found, "ratings") == {"a": 40, "b": 40, "c": 40}
    low, high = wilson(0.5, 20)
    assert (found["b"]["agreement_low"], found["b"]["agreement_high"]) == (pytest.approx(low), pytest.approx(high))
    assert records(ratings, min_agreement=high - 0.01)["b"]["trusted"]
    assert records(ratings, min_agreement=high + 0.01)["b"]["rule"] == "agreement"


def wilson(share: float, count: int) -> tuple[float, float]:
    z = 1.96
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    reach = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return middle - reach, middle + reach


def test_who_nearly_always_prefers_what_is_shown_first_is_found_where_a_rule_says_so() -> None:
    ratings = Ratings()
    for task in range(10):
        ratings.rate(f"t{task}", "a", [task % 4, 1], [1, task % 3], preference=-2 if task else 1)
        ratings.rate(f"t{task}", "b", [task % 4, 1], [2, task % 3], preference=-1 if task % 2 else 1)
    found = records(ratings, max_position_bias=0.7, max_identical=None)
    assert (found["a"]["first_preferred"], found["a"]["preferences"]) == (0.9, 10)
    assert (found["a"]["rule"], found["a"]["figure"], found["b"]["rule"]) == ("position_bias", 0.8, None)


def test_the_time_of_a_task_is_judged_where_a_rule_says_so_and_the_vendor_tells() -> None:
    ratings = Ratings()
    for task in range(9):
        ratings.rate(f"t{task}", "a", [task % 4, 1]).rate(f"t{task}", "b", [task % 4, 2])
    for row in ratings.annotations:
        row["seconds"] = float(int(row["task_id"][1:]) + 1) if row["annotator"] == "a" else None
    found = records(ratings, min_seconds=6)
    assert of_all(found, "seconds_per_task") == {"a": 5.0, "b": None}
    assert (found["a"]["rule"], found["a"]["figure"], found["a"]["threshold"]) == ("seconds", 5.0, 6.0)
    assert found["b"]["trusted"]


def test_beside_the_likest_pair_stands_how_alike_all_others_are() -> None:
    ratings = Ratings()
    for task in range(8):
        for annotator, score in {"a": task % 4, "b": task % 4, "c": 4 if task else 0, "d": 3}.items():
            ratings.rate(f"t{task}", annotator, [score, 1])
    found = records(ratings)
    assert (found["a"]["identical"], found["a"]["identical_with"]) == (1.0, "b")
    assert found["a"]["identical_by_chance"] == pytest.approx(6 / 40)


def test_gold_and_repeated_tasks_show_who_is_right_and_who_says_the_same_again() -> None:
    ratings = Ratings()
    common = {"campaign": "starter", "task_id": "x", "response_id": "x.1"}
    for task in range(9):
        ratings.rate(f"t{task}", "a", [task % 4, 1]).rate(f"t{task}", "b", [task % 4, 2])
    for annotator, scores in {"a": [3, 1], "b": [0, None]}.items():
        ratings.controls.append(common | {"annotator": annotator, "kind": "gold", "scores": scores, "expected": [3, 2]})
    again = next(row for row in ratings.annotations if row["task_id"] == "t3")
    origin = {"kind": "repeat", "of_task_id": "t3", "of_response_id": again["response_id"], "task_id": "y"}
    ratings.controls.append(common | origin | {"annotator": "a", "scores": [3, 1]})
    ratings.controls.append(common | origin | {"annotator": "b", "scores": [1, 2]})
    found = records(ratings, min_gold_accuracy=0.4, min_self_consistency=0.6)
    assert of_all(found, "gold_accuracy") == {"a": 0.5, "b": 0.0}
    assert of_all(found, "self_consistency") == {"a": 1.0, "b": 0.5}
    assert of_all(found, "rule") == {"a": None, "b": "gold"}
    assert records(ratings, min_self_consistency=0.6)["b"]["rule"] == "self_consistency"


def test_ratings_that_are_alike_anyway_are_no_copies() -> None:
    """One attribute that is 4 nine times of ten: all are alike, and only who never differs has copied."""
    dice, ratings = random.Random(4), Ratings()
    for task in range(200):
        scores = {name: 4 if dice.random() < 0.95 else 3 for name in ("a", "b", "c", "d")}
        for name, score in {**scores, "e": scores["d"]}.items():
            ratings.rate(f"t{task}", name, [score])
    found = records(ratings, attributes=1)
    assert min(of_all(found, "identical").values()) > 0.85
    assert of_all(found, "rule") == {"a": None, "b": None, "c": None, "d": "identical", "e": "identical"}


def drawn_panel(seed: int) -> Ratings:
    """Annotators of all sorts, with gaps, flags, times, preferences and control tasks, all drawn."""
    dice, ratings = random.Random(seed), Ratings()
    names = [f"n{number}" for number in range(7)]
    for task in range(60):
        truth = [[dice.randint(0, 4) for _ in range(3)] for _ in range(2)]
        for name in dice.sample(names, dice.randint(1, 4)):
            noise = 3 if name == "n0" else 1
            given = [[min(4, max(0, x + dice.randint(-noise, noise))) for x in row] for row in truth]
            kept = [[None if dice.random() < 0.08 else x for x in row] for row in given]
            flags = {1: ["x"]} if dice.random() < 0.1 else None
            preference = dice.choice([None, -3, -1, 1, 2])
            ratings.rate(
                f"t{task:02}", name, *([[3] * 3] * 2 if name == "n1" else kept), flags=flags, preference=preference
            )
    for row in ratings.annotations:
        row["seconds"] = dice.choice([None, float(dice.randint(5, 90))])
    for name in names:
        seen = next(row for row in ratings.annotations if row["annotator"] == name)
        for number in range(dice.randint(0, 3)):
            common = {"campaign": "starter", "response_id": f"{number}.1", "annotator": name}
            scores = [dice.choice([None, 0, 1, 2]) for _ in range(3)]
            gold = {"task_id": f"g{number}", "kind": "gold", "scores": scores, "expected": [1, None, 2]}
            again = {"task_id": f"r{number}", "kind": "repeat", "scores": scores, "of_task_id": seen["task_id"]}
            ratings.controls += [common | gold, common | again | {"of_response_id": seen["response_id"]}]
    return ratings


@pytest.mark.parametrize("seed", range(4))
def test_all_figures_are_those_of_plain_loops(seed: int) -> None:
    """Each figure again, by its definition, without SQL and without its shortcuts."""
    ratings = drawn_panel(seed)
    found = records(ratings, attributes=3)
    assert found.keys() == {row["annotator"] for row in ratings.annotations}
    for name, record in found.items():
        for column, value in figures_by_loops(ratings, name).items():
            expected = pytest.approx(value) if isinstance(value, float) else value
            assert record[column] == expected, (name, column)


def figures_by_loops(ratings: Ratings, name: str) -> dict[str, Any]:
    own = [row for row in ratings.annotations if row["annotator"] == name]
    marks = {(row["response_id"], n): x for row in own for n, x in enumerate(row["scores"]) if x is not None}
    others = {key: list(others_of(ratings, name, *key)) for key in marks}
    shared = {key: theirs for key, theirs in others.items() if theirs}
    distances = [marks[key] - statistics.fmean(theirs) for key, theirs in shared.items()]
    alike = sum(theirs.count(marks[key]) for key, theirs in shared.items()) / sum(map(len, shared.values()))
    low, high = wilson(alike, len({response.partition(".")[0] for response, _ in shared}))
    tasks = {response.partition(".")[0] for response, _ in marks}
    lined = [values for task in tasks if len(values := list(scores_of(ratings, name, task).values())) > 2]
    seconds = {task: [row["seconds"] for row in own if row["task_id"] == task and row["seconds"]] for task in tasks}
    preferred = {row["task_id"]: row["preference"] for row in own if row["preference"]}
    return {
        "tasks": len(tasks),
        "ratings": len(marks),
        "deviation": statistics.fmean(map(abs, distances)),
        "bias": statistics.fmean(distances),
        "agreement": alike,
        "agreement_low": max(low, 0),
        "agreement_high": min(high, 1),
        "straight_lining": share([len(set(values)) == 1 for values in lined]),
        "flagged": share([bool(row["flags"]) for row in own]),
        "seconds_per_task": statistics.median([max(told) for told in seconds.values() if told]),
        "preferences": len(preferred),
        "first_preferred": share([preference < 0 for preference in preferred.values()]),
        **controls_by_loops(ratings, name),
        **copies_by_loops(ratings, name),
    }


def others_of(ratings: Ratings, name: str, response: str, attribute: int) -> Iterator[int]:
    for row in ratings.annotations:
        if row["annotator"] != name and row["response_id"] == response and row["scores"][attribute] is not None:
            yield row["scores"][attribute]


def scores_of(ratings: Ratings, name: str, task: str) -> dict[tuple[str, int], int]:
    rows = [row for row in ratings.annotations if (row["annotator"], row["task_id"]) == (name, task)]
    return {(row["response_id"], n): x for row in rows for n, x in enumerate(row["scores"]) if x is not None}


def share(truths: list[bool]) -> float | None:
    return sum(truths) / len(truths) if truths else None


def controls_by_loops(ratings: Ratings, name: str) -> dict[str, float | None]:
    gold, again = [], []
    before = {row["response_id"]: row["scores"] for row in ratings.annotations if row["annotator"] == name}
    for row in (row for row in ratings.controls if row["annotator"] == name):
        wanted = row["expected"] if row["kind"] == "gold" else before[row["of_response_id"]]
        pairs = [(x, y) for x, y in zip(row["scores"], wanted, strict=True) if x is not None and y is not None]
        (gold if row["kind"] == "gold" else again).extend(x == y for x, y in pairs)
    return {"gold_accuracy": share(gold), "self_consistency": share(again)}


def copies_by_loops(ratings: Ratings, name: str) -> dict[str, Any]:
    names = sorted({row["annotator"] for row in ratings.annotations})
    pairs = {}
    for one, other in itertools.combinations(names, 2):
        both = [(scores_of(ratings, one, task), scores_of(ratings, other, task)) for task in ratings.tasks]
        same = [left == right for left, right in both if left and right]
        if len(same) >= TrustRules().min_shared_tasks:
            pairs[one, other] = same
    own = {pair: same for pair, same in pairs.items() if name in pair}
    likest = min(own, key=lambda pair: (-sum(own[pair]) / len(own[pair]), -len(own[pair]), pair))
    rest = [truth for pair, same in pairs.items() if pair != likest for truth in same]
    other = next(one for one in likest if one != name)
    return {
        "identical": share(own[likest]),
        "shared_tasks": len(own[likest]),
        "identical_by_chance": share(rest),
        "identical_with": other,
    }


def flawed_panel(seed: int, tasks: int) -> Ratings:
    """Ten honest annotators, and one each who rates by dice, too kindly, by copying `h00`, or in a straight line."""
    dice = random.Random(seed)
    ratings = Ratings()
    honest = [f"h{number:02}" for number in range(10)]
    for task in range(tasks):
        truth = [[dice.uniform(0, 4) for _ in range(5)] for _ in range(2)]
        by = {name: [[on_scale(x, dice) for x in row] for row in truth] for name in honest}
        by["careless"] = [[dice.randint(0, 4) for _ in row] for row in truth]
        by["kind"] = [[on_scale(x, dice, shift=1.5) for x in row] for row in truth]
        by["lazy"] = [[3] * 5] * 2
        chosen = dice.sample(sorted(by), 3)
        if task % 5 == 0:
            chosen = ["copier", "h00", *dice.sample(honest[1:], 1)]
            by["copier"] = by["h00"]
        for name in chosen:
            ratings.rate(f"t{task}", name, *by[name])
    return ratings


@pytest.mark.parametrize("seed", range(6))
def test_the_flawed_of_a_panel_are_found_and_nobody_else(seed: int, lake: Lake, settings: Settings) -> None:
    flawed_panel(seed, tasks=100).write(lake, settings)
    found = judge_annotators(lake, settings, "starter")
    rules = dict(
        lake.read("annotator_quality", PARTITION).filter(~pl.col("trusted")).select("annotator", "rule").iter_rows()
    )
    assert rules.keys() == {"careless", "kind", "lazy", "copier", "h00"}
    assert {rules["copier"], rules["h00"]} == {"identical"}
    assert (found.annotators, found.trusted) == (14, 9)
    assert sum(found.broken_rules.values()) == 5


def test_the_page_of_plots_has_every_annotator_and_loads_nothing(lake: Lake, settings: Settings) -> None:
    flawed_panel(1, tasks=60).write(lake, settings)
    judge_annotators(lake, settings, "starter")
    found = lake.read("annotator_quality", PARTITION)
    page = annotator_page("starter", found, TrustRules())
    assert all(page.count(name) >= 5 for name in found["annotator"])
    assert page.count("class='bad'") >= 5 * (~found["trusted"]).sum()
    assert "bias, " in page
    assert not [word for word in ("http", "src=", "<script", "Gold ratings") if word in page]
    assert annotator_page("starter", found.clear(), TrustRules()).count("<svg") == 0
