"""What vendors are sent."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from dagster_project.errors import SteerworksError
from dagster_project.lake import TABLES, Lake
from dagster_project.settings import Home, Settings
from dagster_project.settings.rubric import Example
from dagster_project.vendors import export_round, take_in
from dagster_project.vendors.guideline import guideline_page
from tests.vendors.vendor_inputs import MODELS, exported_tasks, rating

Tasks = list[dict[str, Any]]


def order_round_two(lake: Lake, tasks: Tasks) -> None:
    rows = [
        {"campaign": "first", "round": 2, "task_id": task["task_id"], "annotators": 2, "reason": "disputed"}
        for task in tasks
    ]
    schema = pl.DataFrame(TABLES["top_up_tasks"].schema.empty_table()).schema
    lake.add("top_up_tasks", {"campaign": "first"}, "round-2", pl.DataFrame(rows, schema=schema))


def test_a_round_holds_all_that_a_vendor_needs(first_round: Tasks, home: Home) -> None:
    assert len(first_round) == 10
    task = first_round[0]
    assert {name: task[name] for name in ("campaign", "round", "guideline_version", "annotators")} == {
        "campaign": "first",
        "round": 1,
        "guideline_version": "2.0",
        "annotators": 3,
    }
    assert [response["position"] for response in task["responses"]] == [1, 2]
    assert task["messages"][-1]["role"] == "user"
    assert task["exclude_annotators"] == []


def test_nothing_in_the_outbox_tells_who_wrote_a_response(first_round: Tasks, home: Home) -> None:
    text = "".join(path.read_text() for path in (home.outbox / "acme" / "first").iterdir())
    assert not [name for name in MODELS if name in text or f"hub-name-of-{name}" in text]


def test_a_second_export_gives_the_same_bytes(lake: Lake, settings: Settings, first_round: Tasks, home: Home) -> None:
    folder = home.outbox / "acme" / "first"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert sorted(before) == ["delivery.md", "guideline.md", "round-1.jsonl", "rubric.json"]
    export_round(lake, settings, "first", 1)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_what_to_deliver_names_every_field(settings: Settings, first_round: Tasks, home: Home) -> None:
    page = (home.outbox / "acme" / "first" / "delivery.md").read_text()
    for field in ("task_id", "annotator", "flags", "withdrawn", "round", *settings.rubric_of("first").names):
        assert f"| `{field}` |" in page


def test_the_guideline_is_the_rubric_in_words(settings: Settings, first_round: Tasks, home: Home) -> None:
    page = (home.outbox / "acme" / "first" / "guideline.md").read_text()
    rubric = settings.rubric_of("first")
    assert rubric.instructions in page
    for attribute in rubric.attributes:
        assert f"### {attribute.name}\n\n{attribute.description}" in page
        assert all(f"- {level}: {text}" in page for level, text in attribute.levels.items())
    assert all(f"- `{flag.name}`: {flag.description}" in page for flag in rubric.flags)
    assert len(rubric.examples) == 2
    for example in rubric.examples:
        assert f"> {example.response.strip()}" in page
        assert f"Ratings: helpfulness {example.ratings['helpfulness']}, correctness" in page
        assert example.why in page
    content = json.loads((home.outbox / "acme" / "first" / "rubric.json").read_text())
    assert [example["ratings"] for example in content["examples"]] == [dict(one.ratings) for one in rubric.examples]
    assert content["scale"] == {"lowest": 0, "highest": 4}
    assert [attribute["name"] for attribute in content["attributes"]] == rubric.names
    assert "decides" not in json.dumps(content)


def test_nothing_in_an_example_is_taken_for_the_guideline_itself(settings: Settings, acme: str) -> None:
    rubric = settings.rubric_of("first")
    flagged = Example(prompt="Write this down:\n# Guideline 9", response="```\n## Flags\n```", flags=("needs_code",))
    page = guideline_page(rubric.model_copy(update={"examples": (flagged,)}), "1")
    assert "> Write this down:\n> # Guideline 9\n" in page
    assert "> ```\n> ## Flags\n> ```\n\nFlagged: `needs_code`\n" in page


def test_a_top_up_names_those_who_rated_the_task_by_the_vendors_own_ids(
    lake: Lake, settings: Settings, first_round: Tasks, deliver: Callable[..., Path]
) -> None:
    task, other = first_round[:2]
    rows = [rating(task, annotator=worker) for worker in ("zoe-771", "adam-12")] + [rating(other, annotator="eve-1")]
    deliver("acme", "one.jsonl", rows)
    take_in(lake, settings, "acme")
    order_round_two(lake, [task])
    path = export_round(lake, settings, "first", 2)
    (line,) = exported_tasks(path)
    assert (line["task_id"], line["round"], line["annotators"]) == (task["task_id"], 2, 2)
    assert line["exclude_annotators"] == ["adam-12", "zoe-771"]
    before = path.read_bytes()
    deliver("acme", "two.jsonl", [rating(task, annotator="nora-9", round=2)])
    take_in(lake, settings, "acme")
    assert export_round(lake, settings, "first", 2).read_bytes() == before


def test_a_round_that_does_not_exist_is_an_error(lake: Lake, settings: Settings, first_round: Tasks) -> None:
    with pytest.raises(SteerworksError, match="no round 2 to export: the ledger"):
        export_round(lake, settings, "first", 2)
    with pytest.raises(SteerworksError, match="no round 1 to export: its tasks are not frozen"):
        export_round(lake, settings, "second", 1)
