"""A process that is killed in the middle of the intake loses nothing, and nothing counts twice."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dagster_project.lake import Lake
from dagster_project.settings import PROJECT_ROOT, Home, Settings
from dagster_project.vendors import Merged, export_round, freeze_tasks, merge, take_in
from dagster_project.vendors.identities import workers_of
from tests.vendors.vendor_inputs import exported_tasks, rating

Tasks = list[dict[str, Any]]
SIGKILL = 9
MOST_EFFECTS = 40

CHILD = """
import os, signal, sys
from dagster_project.lake import Lake
from dagster_project.settings import Settings
from dagster_project.vendors import take_in

settings = Settings.from_environment()
home, fatal, seen = str(settings.home.root), int(sys.argv[1]), 0

def kill_at_the_fatal_effect(event, arguments):
    global seen
    appends = event == "open" and "/workers/" in str(arguments[0]) and arguments[1] == "r+b"
    if appends or (event in ("os.rename", "os.remove") and str(arguments[0]).startswith(home)):
        seen += 1
        if seen == fatal:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(kill_at_the_fatal_effect)
take_in(Lake(settings.home.lake), settings, "acme")
"""


@pytest.mark.slow
def test_killed_at_each_effect_in_turn_and_started_again(
    lake: Lake, settings: Settings, first_round: Tasks, home: Home, deliver: Callable[..., Path]
) -> None:
    """The n-th child is killed before its n-th rename, removal or append, on the home that the others left."""
    freeze_tasks(lake, settings, "second")
    second_round = exported_tasks(export_round(lake, settings, "second", 1))
    rows = [rating(task) for task in first_round[:3] + second_round[:2]]
    deliver("acme", "one.jsonl", [*rows, rating(first_round[0], task_id="t-none")])
    deliver("acme", "two.jsonl", [rating(first_round[4], annotator="somebody else")])
    kills = 0
    while _take_in_and_die_at(kills + 1) == -SIGKILL:
        kills += 1
        assert kills < MOST_EFFECTS
    assert kills > 10
    take_in(lake, settings, "acme")
    assert not list((home.inbox / "acme").iterdir())
    assert (lake.rows("deliveries"), lake.rows("quarantine"), lake.rows("intake")) == (6, 1, 3)
    assert len(workers_of(home.vault, "acme")) == 2
    assert merge(lake, "first").used == 4
    assert merge(lake, "second").used == 2
    assert len(list((home.vault / "deliveries" / "acme").glob("*.jsonl"))) == 2


def _take_in_and_die_at(effect: int) -> int:
    return subprocess.run([sys.executable, "-c", CHILD, str(effect)], cwd=PROJECT_ROOT, check=False).returncode


def test_what_a_killed_intake_left_is_not_merged_and_is_replaced(
    lake: Lake, settings: Settings, first_round: Tasks, deliver: Callable[..., Path]
) -> None:
    """Tasks frozen between the kill and the second try: their rows must not stay in quarantine as well."""
    freeze_tasks(lake, settings, "second")
    second_round = exported_tasks(export_round(lake, settings, "second", 1))
    (tasks,) = lake.parts("annotation_tasks", {"campaign": "second"})
    tasks.unlink()
    rows = [rating(first_round[0]), rating(second_round[0])]
    deliver("acme", "one.jsonl", rows)
    take_in(lake, settings, "acme")
    assert lake.rows("quarantine") == 1
    (receipt,) = lake.parts("intake")
    receipt.unlink()
    assert merge(lake, "first") == Merged()
    freeze_tasks(lake, settings, "second")
    deliver("acme", "one.jsonl", rows)
    (report,) = take_in(lake, settings, "acme")
    assert (report.duplicate, report.accepted, report.quarantined) == (False, 2, 0)
    assert merge(lake, "first") == merge(lake, "second") == Merged(used=1)
