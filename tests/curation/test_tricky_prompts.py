"""The hand-made set: each prompt with the decision that it must get, and why. Written for this project."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dagster_project.curation import curate, deliver_prompts, take_in_prompts
from dagster_project.lake import Lake
from dagster_project.settings import PROJECT_ROOT, CurationFile, Home, Settings

FILE = Path(__file__).with_name("tricky_prompts.jsonl")
TRICKY = [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()]
MT_BENCH_81 = (
    "Compose an engaging travel blog post about a recent trip to Hawaii, highlighting cultural experiences and "
    "must-see attractions."
)


@pytest.fixture(scope="module")
def decided(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Return what curation decides of each, by its id."""
    folder = tmp_path_factory.mktemp("tricky")
    (folder / "mt.jsonl").write_text(json.dumps({"id": "mt-bench/81", "turns": [MT_BENCH_81]}) + "\n")
    home = Home(folder / "home")
    lake = Lake(home.lake)
    sets = {"sets": [{"name": "mt-bench", "file": str(folder / "mt.jsonl")}]}
    deliver_prompts(home, FILE, "tricky", "the tests", "CC0-1.0")
    curate(lake, home, CurationFile.model_validate({"completion_model": "any", "benchmarks": sets}), "tricky")
    rows = lake.read("curated_prompts").to_dicts()
    return {tricky["id"]: row for tricky, row in zip(TRICKY, rows, strict=True)}


def test_there_are_sixty_and_each_says_why() -> None:
    assert len(TRICKY) >= 60
    assert all(row["why"] for row in TRICKY)
    assert sum(row["decision"] == "kept" for row in TRICKY) >= 20


@pytest.mark.parametrize("tricky", TRICKY, ids=[row["id"] for row in TRICKY])
def test_a_tricky_prompt_gets_its_decision(decided: dict[str, dict[str, Any]], tricky: dict[str, Any]) -> None:
    row = decided[tricky["id"]]
    assert row["reason"] == (None if tricky["decision"] == "kept" else tricky["decision"]), row["detail"]
    assert row["kept"] == (tricky["decision"] == "kept")
    if not row["kept"]:
        assert row["detail"]
        assert tricky.get("detail", "") in row["detail"]


def test_personal_data_is_counted_and_not_quoted(decided: dict[str, dict[str, Any]]) -> None:
    details = [row["detail"] for row in decided.values() if row["reason"] == "personal_data"]
    assert {detail.rpartition(": ")[2] for detail in details} == {"1"}


def test_the_projects_own_prompts_all_pass(home: Home, lake: Lake, settings: Settings) -> None:
    deliver_prompts(home, PROJECT_ROOT / "prompts" / "starter.jsonl", "starter", "steerworks-starter", "CC-BY-4.0")
    take_in_prompts(lake, home, "starter")
    assert curate(lake, home, settings.curation, "starter").excluded == {}


def test_the_public_prompts_go_through_with_few_excluded_and_each_with_a_reason(
    home: Home, lake: Lake, shared_data: Path
) -> None:
    sets = [{"name": "mt-bench", "file": str(shared_data / "benchmarks" / "mt_bench_questions.jsonl")}]
    curation = CurationFile.model_validate({"completion_model": "any", "benchmarks": {"sets": sets}})
    deliver_prompts(home, shared_data / "prompts" / "real_prompts.jsonl", "real", "public", "Apache-2.0")
    report = curate(lake, home, curation, "real")
    rows = lake.read("curated_prompts").to_dicts()
    assert report.kept + sum(report.excluded.values()) == len(rows) == 582
    assert 520 <= report.kept <= 560
    # Vicuna's prompts and MT-bench's have two questions in common, and these are all there are.
    overlaps = [row["detail"].partition(",")[0] for row in rows if row["reason"] == "benchmark_overlap"]
    assert overlaps == ["mt-bench: mt-bench/130", "mt-bench: mt-bench/81"]
    assert all(row["detail"] for row in rows if not row["kept"])
