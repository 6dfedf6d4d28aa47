"""A campaign from tasks to its close, and top-ups in between."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from dagster_project.errors import SteerworksError
from dagster_project.lake import TABLES, Lake, Session
from dagster_project.settings import Home, Settings
from dagster_project.simulation import PANEL, answer_outbox
from dagster_project.vendors import (
    TopUp,
    close,
    export_round,
    freeze_tasks,
    is_closed,
    merge,
    order_top_ups,
    round_path,
    status,
    take_in,
)
from dagster_project.vendors.identities import workers_of
from tests.vendors.vendor_inputs import exported_tasks, prompt_row, rating, write_inputs

pytestmark = pytest.mark.slow

Tasks = list[dict[str, Any]]
Deliver = Callable[..., Path]
FIRST = {"campaign": "first"}


def judge_annotators(lake: Lake, settings: Settings, campaign: str) -> pl.DataFrame:
    """Write the campaign's `annotator_quality`, as the quality half does."""
    with Session() as session:
        session.table(lake, "annotations", {"campaign": campaign})
        session.table(lake, "control_annotations", {"campaign": campaign})
        session.frame("rubric", pl.DataFrame(settings.rubric_of(campaign).rows()))
        rules = settings.policy_of(campaign).trust.model_dump()
        records = session.query("quality/annotator_quality", rules)
    lake.write("annotator_quality", {"campaign": campaign}, records)
    return records


@pytest.fixture
def delivered(lake: Lake, settings: Settings, first_round: Tasks, deliver: Deliver) -> Callable[..., None]:
    """Deliver ratings of a task by some annotators, by their helpfulness, and merge."""

    def after(task: dict[str, Any], round_number: int = 1, **helpfulness: int) -> None:
        rows = [
            rating(task, response, annotator=annotator, helpfulness=score, round=round_number)
            for annotator, score in helpfulness.items()
            for response in (0, 1)
        ]
        deliver("acme", f"{task['task_id']}-{round_number}-{'-'.join(helpfulness)}.jsonl", rows)
        take_in(lake, settings, "acme")
        merge(lake, "first")

    return after


def test_the_whole_loop_with_the_simulated_vendor(lake: Lake, settings: Settings, at_once: None, home: Home) -> None:
    write_inputs(lake, [prompt_row(number) for number in range(1, 41)])
    freeze_tasks(lake, settings, "starter")
    export_round(lake, settings, "starter", 1)
    for round_number in range(1, 7):
        answer_outbox(home.outbox, home.inbox)
        take_in(lake, settings, "simulated")
        merge(lake, "starter")
        judge_annotators(lake, settings, "starter")
        now = status(lake, settings, "starter")
        assert (now.rounds, now.outstanding, now.awaiting_tasks) == (round_number, 0, 0)
        if order_top_ups(lake, settings, "starter").round is None:
            break
        assert status(lake, settings, "starter").outstanding > 0
    assert 1 < round_number < 6
    assert lake.rows("quarantine") == 0
    assert lake.read("annotations")["simulated"].all()
    close(lake, settings, "starter")
    assert status(lake, settings, "starter").closed
    assert order_top_ups(lake, settings, "starter") == TopUp(None, 0, 0)
    names = [worker.name.encode() for worker in PANEL]
    outside = [path for folder in (home.lake, home.releases, home.dagster) for path in folder.rglob("*.*")]
    assert not [path for path in outside if any(name in path.read_bytes() for name in names)]
    assert "Simulated Rater" not in str([lake.read(table).to_dicts() for table in ("deliveries", "annotations")])


def test_a_disputed_task_gets_further_annotators_once(
    lake: Lake, settings: Settings, first_round: Tasks, delivered: Callable[..., None]
) -> None:
    disputed, settled = first_round[:2]
    delivered(disputed, ann=0, bob=4, cat=4)
    delivered(settled, ann=3, bob=4, cat=4)
    assert order_top_ups(lake, settings, "first") == TopUp(2, 1, 2)
    assert lake.read("top_up_tasks", FIRST).to_dicts() == [
        {"campaign": "first", "round": 2, "task_id": disputed["task_id"], "annotators": 2, "reason": "disputed"}
    ]
    (line,) = exported_tasks(round_path(settings, "first", 2))
    assert (line["annotators"], line["exclude_annotators"]) == (2, ["ann", "bob", "cat"])
    assert order_top_ups(lake, settings, "first") == TopUp(None, 0, 0)
    assert lake.rows("top_up_tasks") == 1
    delivered(disputed, 2, dan=4)
    assert order_top_ups(lake, settings, "first") == TopUp(None, 0, 0)
    delivered(disputed, 2, eve=4)
    assert order_top_ups(lake, settings, "first") == TopUp(None, 0, 0)
    assert status(lake, settings, "first").outstanding == 8 * 3


def test_top_ups_stop_where_the_money_ends(
    lake: Lake, config: Path, home: Home, first_round: Tasks, deliver: Deliver
) -> None:
    """Ten tasks of two responses for three annotators at 0.50 are 30 USD; a dispute takes 2 more."""
    campaigns = config / "campaigns.yaml"
    budgeted = campaigns.read_text().replace("  first:\n", "  first:\n    max_usd: 33\n")
    campaigns.write_text(budgeted)
    rows = [
        rating(task, response, annotator=annotator, helpfulness=score)
        for task in first_round[:2]
        for annotator, score in {"ann": 0, "bob": 4, "cat": 4}.items()
        for response in (0, 1)
    ]
    deliver("acme", "disputed.jsonl", rows)
    settings = Settings(config, home)
    take_in(lake, settings, "acme")
    merge(lake, "first")
    assert order_top_ups(lake, settings, "first") == TopUp(2, 1, 2)
    assert order_top_ups(lake, settings, "first") == TopUp(None, 0, 0)


def test_who_is_still_awaited_is_not_ordered_again(
    lake: Lake, settings: Settings, first_round: Tasks, delivered: Callable[..., None]
) -> None:
    delivered(first_round[0], ann=3)
    assert order_top_ups(lake, settings, "first") == TopUp(None, 0, 0)
    now = status(lake, settings, "first")
    assert (now.tasks, now.ordered, now.delivered, now.annotations) == (10, 30, 1, 2)
    assert (now.outstanding, now.awaiting_tasks, now.cost_usd) == (29, 10, 1.0)


def test_an_untrusted_annotator_is_replaced(
    lake: Lake, settings: Settings, first_round: Tasks, delivered: Callable[..., None]
) -> None:
    delivered(first_round[0], ann=3, bob=3, cat=3)
    bob = lake.read("annotations", FIRST)["annotator"].unique().sort()[0]
    columns = {column.name: None for column in TABLES["annotator_quality"].columns}
    record = columns | {"campaign": "first", "annotator": bob, "vendor": "acme", "tasks": 9, "shared_tasks": 0}
    schema = pl.DataFrame(TABLES["annotator_quality"].schema.empty_table()).schema
    judged = pl.DataFrame([record | {"flagged": 0.0, "trusted": False, "rule": "bias"}], schema=schema)
    lake.write("annotator_quality", FIRST, judged)
    assert order_top_ups(lake, settings, "first") == TopUp(2, 1, 1)
    assert lake.read("top_up_tasks", FIRST)["reason"].to_list() == ["replacement"]


def test_a_top_up_is_not_for_annotators_who_are_not_trusted(
    lake: Lake, settings: Settings, first_round: Tasks, delivered: Callable[..., None]
) -> None:
    disputed, other = first_round[:2]
    delivered(disputed, ann=0, bob=4, cat=4)
    delivered(other, ann=3, eve=3, fay=3)
    eve = next(name for name, worker in workers_of(settings.home.vault, "acme").items() if worker == "eve")
    records = judge_annotators(lake, settings, "first")
    lake.write("annotator_quality", FIRST, records.with_columns(trusted=pl.col("annotator") != eve))
    order_top_ups(lake, settings, "first")
    path = round_path(settings, "first", 2)
    lines = {line["task_id"]: line["exclude_annotators"] for line in exported_tasks(path)}
    assert lines[disputed["task_id"]] == ["ann", "bob", "cat", "eve"]
    assert lines[other["task_id"]] == ["ann", "eve", "fay"]
    before = path.read_bytes()
    lake.write("annotator_quality", FIRST, records)
    assert export_round(lake, settings, "first", 2).read_bytes() == before


def test_only_files_that_name_workers_are_closed_to_others(
    lake: Lake, settings: Settings, first_round: Tasks, delivered: Callable[..., None]
) -> None:
    delivered(first_round[0], ann=0, bob=4, cat=4)
    order_top_ups(lake, settings, "first")
    modes = [stat.S_IMODE(round_path(settings, "first", number).stat().st_mode) for number in (1, 2)]
    assert [oct(mode & 0o077) for mode in modes] == [oct(0o044), oct(0)]


def test_a_round_that_was_ordered_but_not_exported_is_exported(
    lake: Lake, settings: Settings, first_round: Tasks, delivered: Callable[..., None]
) -> None:
    delivered(first_round[0], ann=0, bob=4, cat=4)
    order_top_ups(lake, settings, "first")
    path = round_path(settings, "first", 2)
    exported = path.read_bytes()
    path.unlink()
    assert order_top_ups(lake, settings, "first") == TopUp(None, 0, 0)
    assert path.read_bytes() == exported


def test_a_campaign_without_tasks_has_nothing_ordered_and_cannot_be_closed(
    lake: Lake, settings: Settings, acme: str
) -> None:
    now = status(lake, settings, "first")
    assert (now.tasks, now.rounds, now.ordered, now.outstanding, now.closed) == (0, 0, 0, 0, False)
    assert order_top_ups(lake, settings, "first") == TopUp(None, 0, 0)
    with pytest.raises(SteerworksError, match="has no tasks yet, so there is nothing to close"):
        close(lake, settings, "first")


def test_closing_twice_says_so_and_keeps_the_first_time(lake: Lake, settings: Settings, first_round: Tasks) -> None:
    assert not is_closed(lake, "first")
    first, second = close(lake, settings, "first"), close(lake, settings, "first")
    assert (first.was_closed, second.was_closed) == (False, True)
    assert first.closed_at == second.closed_at
    assert is_closed(lake, "first")


def test_an_imported_campaign_under_a_rubric_of_its_own(lake: Lake, config: Path, home: Home, deliver: Deliver) -> None:
    """One response a task, seven attributes from 1 to 5, and a vendor of three fixed slots."""
    names = ["fluency", "coherence", "relevance", "faithfulness", "aspects", "sentiment", "specificity"]
    rubric = {
        "name": "summaries",
        "version": "1",
        "scale": {"lowest": 1, "highest": 5},
        "preference": False,
        "attributes": [{"name": name, "description": name, "decides": name == "relevance"} for name in names],
    }
    (config / "summaries.yaml").write_text(yaml.safe_dump(rubric))
    (config / "vendors.yaml").write_text(
        yaml.safe_dump(
            {"settle_seconds": 0, "vendors": {"simulated": {"kind": "simulated", "licence": "MIT", "slots": "fixed"}}}
        )
    )
    imported = home.root.parent / "tasks.jsonl"
    tasks = [
        {"task_id": f"se:{i}", "prompt": f"Summarise {i}", "responses": [{"response_id": f"se:{i}.r", "response": "."}]}
        for i in range(4)
    ]
    imported.write_text("".join(json.dumps(task) + "\n" for task in tasks))
    campaign = {"vendor": "simulated", "guideline_version": "1", "imported": str(imported), "rubric": "summaries.yaml"}
    (config / "campaigns.yaml").write_text(yaml.safe_dump({"campaigns": {"summaries": campaign}}))
    settings = Settings(config, home)
    freeze_tasks(lake, settings, "summaries")
    sent = exported_tasks(export_round(lake, settings, "summaries", 1))
    rows = [
        {"task_id": task["task_id"], "response_id": task["responses"][0]["response_id"], "annotator": f"slot{slot}"}
        | {name: 1 + (place + slot) % 5 for place, name in enumerate(names)}
        | {"submitted_at": "2026-01-01T00:00:00Z", "simulated": True}
        for task in sent
        for slot in range(3)
    ]
    deliver("simulated", "all.jsonl", [*rows, rows[0] | {"preference": 2}, rows[0] | {"fluency": 0}])
    (report,) = take_in(lake, settings, "simulated")
    assert (report.accepted, report.rules) == (12, {"bad_preference": 1, "out_of_scale": 1})
    assert merge(lake, "summaries").used == 12
    assert lake.read("annotations")["scores"].list.len().unique().to_list() == [7]
    assert status(lake, settings, "summaries").outstanding == 0
