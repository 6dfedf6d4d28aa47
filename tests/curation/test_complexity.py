"""Complexity: by rule over the text, or by a judge who is asked once."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from sklearn.metrics import cohen_kappa_score

from dagster_project.curation import grade
from dagster_project.curation.complexity import TASK, question, verdict
from dagster_project.curation.complexity_report import judge_and_rule
from dagster_project.curation.complexity_rules import level_by_rule
from dagster_project.errors import SteerworksError
from dagster_project.generation import Purse, SilentProgress
from dagster_project.lake import Lake
from dagster_project.loopback.models import Behaviour, serve_models
from dagster_project.settings import PROJECT_ROOT, Home
from tests.curation.prompt_batches import curation, keep, models_at

STARTER = [json.loads(line) for line in (PROJECT_ROOT / "prompts" / "starter.jsonl").read_text().splitlines()]
JUDGED = curation(complexity={"judge": "judge"})
PLAN = """Plan a week of dinners for four: no nuts, at most 30 minutes each, two without meat, and keep it under £60.
List the shopping by aisle, give each dish one sentence, and say which dishes can be made the day before."""
PROMPTS = ["word " * count + f"number {count}" for count in (2, 8, 18, 38, 80, 160)]


def user(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


@pytest.mark.parametrize(
    ("level", "prompt"),
    [
        (1, "Who painted the ceiling of the Sistine Chapel?"),
        (1, "Tell me about whales."),
        (2, "Write a short poem about rain in at most eight lines."),
        (3, "Summarise this in two sentences, then list three open questions for a colleague: the bridge is closed."),
        (5, PLAN),
    ],
)
def test_more_intentions_and_constraints_make_a_higher_level(level: int, prompt: str) -> None:
    assert level_by_rule(user(prompt)) == level


def test_the_rule_agrees_with_the_people_who_wrote_the_starter_prompts() -> None:
    by_hand = [row["difficulty"] for row in STARTER]
    by_rule = [level_by_rule(row["messages"]) for row in STARTER]
    assert set(by_rule) == {1, 2, 3, 4, 5}
    assert cohen_kappa_score(by_hand, by_rule, weights="quadratic") > 0.6


def test_assistant_turns_do_not_count() -> None:
    turns = [*user("Tell me about whales."), {"role": "assistant", "content": "List, compare and rank them! " * 9}]
    assert level_by_rule(turns) == level_by_rule(user("Tell me about whales."))


@pytest.mark.parametrize(
    ("said", "level"),
    [
        ('{"complexity": 4}', 4),
        ('Sure!\n```json\n{"complexity": "2"}\n```', 2),
        ("3", 3),
        ("**5**", 5),
        ("4/5", 4),
        ('{"complexity": 7}', None),
        ('{"complexity": 2.5}', None),
        ("I would say between 2 and 4.", None),
        ('{"complexity": 1} or {"complexity": 5}', None),
        ("", None),
    ],
)
def test_a_verdict_is_json_or_a_bare_level_and_nothing_is_guessed(said: str, level: int | None) -> None:
    assert verdict(said) == level


def test_the_judge_sees_all_turns_of_the_user_and_of_a_very_long_one_both_ends() -> None:
    shown = question([*user("First."), {"role": "assistant", "content": "hidden"}, *user("Then this.")])
    assert shown[0] == {"role": "system", "content": TASK}
    assert "Turn 1: First." in shown[1]["content"]
    assert "Turn 2: Then this." in shown[1]["content"]
    assert "hidden" not in shown[1]["content"]
    long = question(user("a" * 30_000 + "the end"))[1]["content"]
    assert len(long) < 13_000
    assert long.endswith("the end\n</request>")


def test_a_judge_is_asked_once_and_compared_with_the_rule(lake: Lake, home: Home) -> None:
    keep(lake, home, PROMPTS, "b")
    with serve_models() as server:
        report = grade(lake, models_at(server.address), JUDGED, "b", SilentProgress(), Purse())
        again = grade(lake, models_at(server.address), JUDGED, "b", SilentProgress(), Purse())
        assert server.stats()["requests"] == len(PROMPTS)
    rows = lake.read("prompt_complexity").to_dicts()
    assert again == report
    assert report.judged == len(PROMPTS)
    assert [row["level"] for row in rows] == [row["by_judge"] for row in rows]
    assert {row["by_judge"] for row in rows} == {1, 2, 3, 4, 5}
    expected = cohen_kappa_score([r["by_rule"] for r in rows], [r["by_judge"] for r in rows], weights="quadratic")
    assert report.kappa == pytest.approx(expected)
    shown = judge_and_rule(lake, "b")
    assert f"Quadratic-weighted kappa: {expected:.2f}." in shown
    both = Counter((row["by_rule"], row["by_judge"]) for row in rows)
    for rule in range(1, 6):
        counts = [both[rule, judged] for judged in range(1, 6)]
        assert f"| **{rule}** | {' | '.join(map(str, counts))} | {sum(counts)} |" in shown


def test_without_a_judge_the_rule_counts_and_there_is_no_kappa(lake: Lake, home: Home) -> None:
    keep(lake, home, PROMPTS, "b")
    report = grade(lake, models_at("http://127.0.0.1:9/v1"), curation(), "b", SilentProgress(), Purse())
    assert (report.judged, report.kappa) == (0, None)
    assert judge_and_rule(lake, "b").startswith("No judge spoke")
    rows = lake.read("prompt_complexity").to_dicts()
    assert all(row["level"] == row["by_rule"] and row["judge"] is None for row in rows)


def test_where_the_judge_says_nothing_that_can_be_read_the_rule_counts_with_the_reason(lake: Lake, home: Home) -> None:
    keep(lake, home, PROMPTS, "b")
    with serve_models(Behaviour(p_empty=0.5)) as server:
        report = grade(lake, models_at(server.address), JUDGED, "b", SilentProgress(), Purse())
    assert 0 < report.unjudged["empty_answer"] < len(PROMPTS)
    for row in lake.read("prompt_complexity").to_dicts():
        assert (row["by_judge"] is None) == (row["reason"] == "empty_answer")
        assert row["level"] == (row["by_judge"] or row["by_rule"])


def test_a_batch_that_is_half_judged_is_not_graded_yet(lake: Lake, home: Home) -> None:
    keep(lake, home, PROMPTS, "b")
    with serve_models() as server:
        models = models_at(
            server.address, prices={"input_usd_per_million": 0, "output_usd_per_million": 1_000_000 / 20}
        )
        with pytest.raises(SteerworksError, match=r"not finished \(2 budget\)"):
            grade(lake, models, JUDGED, "b", SilentProgress(), Purse(1.35))
        assert not lake.exists("prompt_complexity", {"prompt_batch": "b"})
        assert grade(lake, models, JUDGED, "b", SilentProgress(), Purse(100.0)).judged == len(PROMPTS)
        assert server.stats()["requests"] == len(PROMPTS)
