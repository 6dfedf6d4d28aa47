"""A campaign's rubric after its tasks went out: its words may change, and what ratings mean may not."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from dagster_project.errors import SteerworksError
from dagster_project.lake import Lake
from dagster_project.quality import judge_annotators, retain_annotations
from dagster_project.settings import PROJECT_ROOT, Home, Settings
from dagster_project.vendors import (
    export_round,
    freeze_tasks,
    frozen_rubric,
    merge,
    order_top_ups,
    round_path,
    take_in,
)
from tests.vendors.vendor_inputs import rating

Tasks = list[dict[str, Any]]
FREEZE = """
import sys
from pathlib import Path
from dagster_project.lake import Lake
from dagster_project.settings import Home, Settings
from dagster_project.vendors import freeze_tasks

settings = Settings(Path(sys.argv[1]), Home(Path(sys.argv[2])))
print(freeze_tasks(Lake(settings.home.lake), settings, "first").was_frozen)
"""


def edited(config: Path, home: Home, edit: Callable[[dict[str, Any]], object]) -> Settings:
    path = config / "rubric.yaml"
    rubric = yaml.safe_load(path.read_text())
    del rubric["examples"]  # they name the attributes, too
    edit(rubric)
    path.write_text(yaml.safe_dump(rubric))
    return Settings(config, home)


@pytest.mark.parametrize(
    "edit",
    [
        lambda rubric: rubric["attributes"].reverse(),
        lambda rubric: rubric["attributes"].pop(),
        lambda rubric: rubric["attributes"][1].update(name="truth"),
        lambda rubric: rubric["scale"].update(highest=5),
        lambda rubric: rubric["flags"].reverse(),
    ],
    ids=["order", "fewer", "name", "scale", "flags"],
)
def test_what_ratings_mean_is_frozen_for_all_who_read_them(
    lake: Lake, config: Path, home: Home, first_round: Tasks, deliver: Callable[..., Path], edit: Any
) -> None:
    deliver("acme", "one.jsonl", [rating(first_round[0])])
    changed = edited(config, home, edit)
    for step in (
        lambda: take_in(lake, changed, "acme"),
        lambda: order_top_ups(lake, changed, "first"),
        lambda: judge_annotators(lake, changed, "first"),
        lambda: retain_annotations(lake, changed, "first"),
    ):
        with pytest.raises(SteerworksError, match="rubric of campaign `first` changed since its tasks were exported"):
            step()
    assert list((home.inbox / "acme").iterdir())


def test_words_and_deciding_attributes_may_change(
    lake: Lake, config: Path, home: Home, first_round: Tasks, deliver: Callable[..., Path]
) -> None:
    def edit(rubric: dict[str, Any]) -> None:
        rubric["attributes"][0]["description"] = "Said better."
        rubric["attributes"][1]["decides"] = True

    changed = edited(config, home, edit)
    deliver("acme", "one.jsonl", [rating(first_round[0])])
    take_in(lake, changed, "acme")
    assert merge(lake, "first").used == 1
    assert frozen_rubric(lake, changed, "first").deciding == ["helpfulness", "correctness"]


def test_a_campaign_that_is_not_frozen_has_its_rubric_as_it_is(lake: Lake, settings: Settings, acme: str) -> None:
    assert frozen_rubric(lake, settings, "first") == settings.rubric_of("first")


def test_the_guideline_that_went_out_is_not_written_again(
    lake: Lake, config: Path, home: Home, first_round: Tasks
) -> None:
    path = round_path(Settings(config, home), "first", 1)
    before = {name: path.with_name(name).read_bytes() for name in ("guideline.md", "rubric.json")}
    changed = edited(config, home, lambda rubric: rubric["attributes"][0].update(description="Said better."))
    path.unlink()
    export_round(lake, changed, "first", 1)
    assert {name: path.with_name(name).read_bytes() for name in before} == before


@pytest.mark.slow
def test_of_two_runs_at_once_one_freezes(lake: Lake, config: Path, home: Home, answered: Tasks, acme: str) -> None:
    command = [sys.executable, "-c", FREEZE, str(config), str(home.root)]
    runs = [subprocess.Popen(command, cwd=PROJECT_ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert sorted(run.communicate(timeout=60)[0].strip() for run in runs) == ["False", "True"]
    assert freeze_tasks(lake, Settings(config, home), "first").was_frozen
