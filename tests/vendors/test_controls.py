"""Gold and repeated tasks: among the others, told from none of them, and counted apart."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dagster_project.errors import SteerworksError
from dagster_project.lake import Lake
from dagster_project.quality import judge_annotators
from dagster_project.settings import Home, Settings
from dagster_project.vendors import (
    Merged,
    TopUp,
    export_round,
    freeze_tasks,
    merge,
    order_top_ups,
    status,
    take_in,
)
from tests.vendors.vendor_inputs import exported_tasks, rating

GOLD = {
    "task_id": "gold-1",
    "prompt": "How much is 2 + 2?",
    "responses": [
        {"response_id": "right", "response": "4", "expected": {"helpfulness": 4, "correctness": 4}},
        {"response_id": "wrong", "response": "5", "expected": {"helpfulness": 0}},
    ],
}


@pytest.fixture
def controlled(config: Path, home: Home, acme: str, answered: Any) -> Settings:
    """acme's campaign `first` with a gold task and half of its tasks repeated."""
    path = home.root.parent / "gold.jsonl"
    path.write_text(json.dumps(GOLD) + "\n")
    campaigns = config / "campaigns.yaml"
    text = campaigns.read_text().replace("  first:\n", f"  first:\n    repeat_share: 0.5\n    gold: {path}\n")
    campaigns.write_text(text)
    return Settings(config, home)


def test_controls_are_mixed_in_judged_by_and_never_used(
    lake: Lake, controlled: Settings, deliver: Callable[..., Path]
) -> None:
    freeze_tasks(lake, controlled, "first")
    path = export_round(lake, controlled, "first", 1)
    tasks = exported_tasks(path)
    controls = {row["task_id"]: row for row in lake.read("control_tasks").to_dicts()}
    repeats = [row for row in controls.values() if row["kind"] == "repeat"]
    assert len(tasks) == 10 + len(controls)
    assert 1 <= len(repeats) <= 9
    assert len({tuple(sorted(task)) for task in tasks}) == 1
    assert not [word for word in ("gold", "repeat", "expected", "control") if word in path.read_text()]
    rows = [
        rating(task, side, annotator=annotator, helpfulness=score)
        for task in tasks
        for side in (0, 1)
        for annotator, score in {"ann": 4, "bob": 0}.items()
    ]
    deliver("acme", "all.jsonl", rows)
    (report,) = take_in(lake, controlled, "acme")
    assert (report.accepted, report.quarantined) == (4 * len(tasks), 0)
    assert merge(lake, "first") == Merged(used=40, control=4 * len(controls))
    assert set(lake.read("delivery_accounts")["unaccounted"]) == {0}
    judge_annotators(lake, controlled, "first")
    found = lake.read("annotator_quality")
    assert sorted(found["gold_accuracy"].to_list()) == [1 / 3, 1 / 3]
    assert found["self_consistency"].to_list() == [1.0, 1.0]
    now = status(lake, controlled, "first")
    assert (now.tasks, now.ordered, now.delivered, now.outstanding) == (10, 30, 20, 10)
    assert (now.ordered_usd, now.cost_usd) == (30.0, 20.0)
    gold, repeated = now.controls
    assert (gold.kind, gold.tasks, gold.ordered, gold.delivered, gold.outstanding) == ("gold", 1, 3, 2, 1)
    assert (gold.ordered_usd, gold.cost_usd) == (3.0, 2.0)
    assert (repeated.kind, repeated.tasks, repeated.delivered) == ("repeat", len(repeats), 2 * len(repeats))


def test_controls_are_in_the_budget_of_the_first_round_and_of_top_ups(
    lake: Lake, config: Path, home: Home, controlled: Settings, deliver: Callable[..., Path]
) -> None:
    """Ten tasks, the gold one and the repeated ones, of two responses for three annotators at 0.50."""
    campaigns = config / "campaigns.yaml"
    unlimited = campaigns.read_text()

    def limited(usd: float) -> Settings:
        campaigns.write_text(unlimited.replace("  first:\n", f"  first:\n    max_usd: {usd}\n"))
        return Settings(config, home)

    with pytest.raises(SteerworksError, match=r"20 responses, and \d+ of control tasks, for 3 annotators"):
        freeze_tasks(lake, limited(33), "first")
    assert not lake.parts("annotation_tasks")
    enough = limited(100)
    freeze_tasks(lake, enough, "first")
    tasks = exported_tasks(export_round(lake, enough, "first", 1))
    now = status(lake, enough, "first")
    ordered = now.ordered_usd + sum(kind.ordered_usd for kind in now.controls)
    own = set(lake.read("annotation_tasks")["task_id"])
    disputed = next(task for task in tasks if task["task_id"] in own)
    rows = [
        rating(disputed, side, annotator=annotator, helpfulness=score)
        for annotator, score in {"ann": 0, "bob": 4, "cat": 4}.items()
        for side in (0, 1)
    ]
    deliver("acme", "disputed.jsonl", rows)
    take_in(lake, enough, "acme")
    merge(lake, "first")
    assert order_top_ups(lake, limited(ordered + 1.9), "first") == TopUp(None, 0, 0)
    assert order_top_ups(lake, limited(ordered + 2.0), "first") == TopUp(2, 1, 2)


def test_a_gold_task_that_expects_something_unknown_is_refused(lake: Lake, controlled: Settings, home: Home) -> None:
    wrong = json.loads(json.dumps(GOLD))
    wrong["responses"][1]["expected"] = {"wit": 3}
    (home.root.parent / "gold.jsonl").write_text(json.dumps(GOLD) + "\n" + json.dumps(wrong) + "\n")
    with pytest.raises(SteerworksError, match=r"row 2: `expected` names no attribute of the rubric: wit"):
        freeze_tasks(lake, controlled, "first")
    assert not lake.parts("annotation_tasks")
