"""Exports of annotation tools, as the samples beside this file show them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dagster_project.lake import Lake
from dagster_project.settings import Home, Settings
from dagster_project.vendors import TakenIn, take_in

SAMPLES = Path(__file__).with_name("samples")
Tasks = list[dict[str, Any]]


@pytest.fixture
def sampled(
    lake: Lake, config: Path, home: Home, first_round: Tasks, deliver: Callable[..., Path]
) -> Callable[[str, str], TakenIn]:
    """Deliver a sample about the first task, as a vendor of its format, and take it in."""

    def taken(tool: str, sample: str) -> TakenIn:
        path = config / "vendors.yaml"
        path.write_text(path.read_text().replace("acme: {", f"acme: {{format: {tool}, ", 1))
        text = (SAMPLES / sample).read_text().replace("t-…", first_round[0]["task_id"])
        deliver("acme", sample, text)
        (report,) = take_in(lake, Settings(config, home), "acme")
        return report

    return taken


def test_an_export_of_label_studio(lake: Lake, sampled: Callable[[str, str], TakenIn]) -> None:
    report = sampled("label-studio", "label_studio.json")
    assert (report.accepted, report.rules) == (2, {"skipped": 1})
    rows = lake.read("deliveries").to_dicts()
    assert {(row["preference"], row["justification"], row["seconds"]) for row in rows} == {
        (-1, "More to the point.", 41.25)
    }
    assert str(rows[0]["submitted_at"]) == "2026-03-01 14:06:10.101010+00:00"


def test_records_that_the_sdk_of_argilla_writes(lake: Lake, sampled: Callable[[str, str], TakenIn]) -> None:
    report = sampled("argilla", "argilla_sdk.json")
    assert (report.accepted, report.quarantined) == (4, 0)
    rows = lake.read("deliveries").sort("row_number").to_dicts()
    assert [(row["scores"], row["preference"]) for row in rows] == [([3] * 5, -2)] * 2 + [([2] * 5, None)] * 2
    assert len({row["annotator"] for row in rows}) == 2


def test_a_page_of_the_api_of_argilla(lake: Lake, sampled: Callable[[str, str], TakenIn]) -> None:
    assert sampled("argilla", "argilla_api.jsonl").accepted == 2
    row = lake.read("deliveries").to_dicts()[0]
    assert (row["preference"], row["justification"]) == (2, "Clearer.")
    assert str(row["submitted_at"]) == "2026-03-01 14:06:00.123456+00:00"


def test_tasks_of_scale(lake: Lake, sampled: Callable[[str, str], TakenIn]) -> None:
    report = sampled("scale", "scale.json")
    assert (report.accepted, report.rules) == (2, {"not_annotated": 1})
    rows = lake.read("deliveries").sort("row_number").to_dicts()
    assert [(row["scores"], row["flags"], row["preference"]) for row in rows] == [
        ([3] * 5, [], -3),
        ([3] * 5, ["needs_code"], -3),
    ]
