"""The history of an id is whole: source, model, request, task, every rating with its fate, and releases."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from dagster_project.cli import command_line
from dagster_project.errors import SteerworksError
from dagster_project.lake import Lake
from dagster_project.releases import build_release, explain
from dagster_project.releases.explaining import page
from dagster_project.settings import PROJECT_ROOT, Settings
from tests.releases.conftest import copied, make_installation
from tests.releases.release_inputs import Fixture, frame, nothing_unmet

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def two_campaigns(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installation with two campaigns, and a release of the first."""
    root = tmp_path_factory.mktemp("two-campaigns")
    settings = make_installation(root)
    lake = Lake(settings.home.lake)
    Fixture(lake, "small", settings, "acme").write()
    Fixture(lake, "second", settings, "acme", tasks=4).write()
    rows = lake.read("curated_prompts", {"prompt_batch": "small"}).to_dicts()
    raw = [{**row, "file": "questions.jsonl", "row_number": row["intake_number"] + 1} for row in rows]
    raw = [{**row, "extra": None, "defect": None} for row in raw]
    lake.write("raw_prompts", {"prompt_batch": "small"}, frame("raw_prompts", raw))
    build_release(lake, settings, "v0.1.0", nothing_unmet)
    return root


@pytest.fixture
def released(two_campaigns: Path, settings: Settings, small: Fixture) -> Fixture:
    copied(two_campaigns, settings)
    return small


def test_a_response_is_told_from_its_source_to_the_release(released: Fixture, lake: Lake, settings: Settings) -> None:
    history = explain(lake, settings, "r1-small-05")
    assert history.kind == "response"
    assert [(row["file"], row["row_number"], row["licence"]) for row in history.prompts] == [
        ("questions.jsonl", 6, "CC0-1.0")
    ]
    assert {(row["model_name"], row["request_hash"]) for row in history.answers} == {
        ("PLAIN", "q-plain-5"),
        ("WARM", "q-warm-5"),
    }
    [task] = history.tasks
    assert [row["response_id"] for row in task["responses"]] == ["r1-small-05", "r2-small-05"]
    assert task["responses"][0]["scores"].keys() == {"use", "truth", "tone"}
    assert task["preference"]["strength"] == 1
    assert len(history.ratings) == 8
    assert {(row["fate"], row["stage"], row["reason"]) for row in history.ratings} == {
        ("used", "kept", None),
        ("used", "closest", "not_closest"),
    }
    [release] = history.releases
    assert (release["version"], release["published"], release["task_id"]) == ("v0.1.0", True, "t-small-05")


def test_a_rating_that_did_not_count_has_its_rule(released: Fixture, lake: Lake, settings: Settings) -> None:
    fates = [(row["fate"], row["rule"]) for row in explain(lake, settings, "t-small-00").ratings]
    assert fates.count(("duplicate", "said_before")) == 1
    assert explain(lake, settings, "t-small-00").releases[0]["reason"] == "disputed"


def test_an_annotation_is_named_by_task_response_and_annotator(
    released: Fixture, lake: Lake, settings: Settings
) -> None:
    history = explain(lake, settings, "t-small-05@r2-small-05@w-dora")
    assert history.kind == "annotation"
    [rating] = history.ratings
    assert (rating["annotator"], rating["reason"], rating["file"]) == ("w-dora", "not_closest", "a.jsonl")


def test_a_response_that_no_task_shows_is_told_alone(released: Fixture, lake: Lake, settings: Settings) -> None:
    cell = {"model": "plain", "prompt_batch": "small"}
    answers = lake.read("responses", cell)
    second = answers.filter(prompt_id="p-small-05").with_columns(
        response_id=pl.lit("r-second-sample"), sample_index=pl.lit(1, pl.Int16)
    )
    lake.write("responses", cell, pl.concat([answers, second]))
    history = explain(lake, settings, "r-second-sample")
    assert (history.kind, history.tasks, history.releases) == ("response", [], [])
    assert [row["response_id"] for row in history.answers] == ["r-second-sample"]
    assert [row["prompt_id"] for row in history.prompts] == ["p-small-05"]


def test_a_prompt_that_never_became_a_task_says_why(released: Fixture, lake: Lake, settings: Settings) -> None:
    history = explain(lake, settings, "p-small-12")
    assert (history.kind, history.tasks, history.prompts[0]["reason"]) == ("prompt", [], "too_short")
    assert "Excluded: **too_short**" in page(history)


@pytest.mark.parametrize("wanted", ["r1-small-05", "t-second-02", "p-small-13", "t-small-05@r2-small-05@w-dora"])
def test_it_is_a_page_and_json(
    released: Fixture, settings: Settings, monkeypatch: pytest.MonkeyPatch, wanted: str
) -> None:
    monkeypatch.setenv("STEERWORKS_HOME", str(settings.home.root))
    monkeypatch.setenv("STEERWORKS_CONFIG", str(settings.folder))
    told = CliRunner().invoke(command_line(), ["explain", wanted, "--json"])
    assert json.loads(told.output)["id"] == wanted
    history = explain(Lake(settings.home.lake), settings, wanted)
    text = page(history)
    assert CliRunner().invoke(command_line(), ["explain", wanted]).output == f"{text}\n"
    assert wanted in text
    assert "None" not in text
    if history.tasks:
        assert ("v0.1.0: task" in text) == (history.tasks[0]["campaign"] == "small")


def test_an_id_that_nothing_has_is_an_error(released: Fixture, lake: Lake, settings: Settings) -> None:
    for wanted in ("r-none", "t-small-05@r2-small-05@w-nobody", "p-small-05@r1-small-05@w-anna"):
        with pytest.raises(SteerworksError, match=r"nothing in .* has the id"):
            explain(lake, settings, wanted)


def test_a_campaign_that_is_configured_no_more_is_still_told(released: Fixture, lake: Lake, settings: Settings) -> None:
    (settings.folder / "campaigns.yaml").write_text("campaigns: {}\n")
    history = explain(lake, Settings(settings.folder, settings.home), "t-small-05")
    assert isinstance(history.ratings[0]["scores"], list)
    assert isinstance(history.ratings[0]["submitted_at"], type(lake.read("annotations")["submitted_at"][0]))
    assert pl.Series([row["fate"] for row in history.ratings]).unique().to_list() == ["used"]


def test_tracing_back_loads_no_library_that_takes_long(released: Fixture, settings: Settings) -> None:
    heavy = ("dagster", "great_expectations", "numpy", "pandas", "polars", "presidio_analyzer", "pyarrow", "pydantic")
    program = (
        "import sys; from dagster_project.cli import main\n"
        "sys.argv = ['steerworks', 'explain', 'r1-small-05', '--json']\n"
        "try: main()\nexcept SystemExit: pass\n"
        f"print([name for name in {heavy} if name in sys.modules], file=sys.stderr)"
    )
    home = {"STEERWORKS_HOME": str(settings.home.root), "STEERWORKS_CONFIG": str(settings.folder)}
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=PROJECT_ROOT, env={**os.environ, **home}, capture_output=True, text=True
    )
    assert ended.stderr.strip() == "[]"
    assert json.loads(ended.stdout)["kind"] == "response"
