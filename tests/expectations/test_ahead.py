"""Checking ahead: what a process beside found is found again, and whatever becomes of it spoils nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dagster_project.lake import Lake
from dagster_project.quality.expectations import ChecksAhead, load_suites, run, unmet
from dagster_project.settings import PROJECT_ROOT
from tests.expectations.expectation_rows import SOUND, rows_of
from tests.generation.cells import until

pytestmark = pytest.mark.slow

SUITES = load_suites(PROJECT_ROOT / "expectations")
CELLS = [{"model": "plain", "prompt_batch": f"b{number}"} for number in range(3)]


@pytest.fixture
def cells(lake: Lake) -> list[dict[str, str]]:
    for cell in CELLS:
        lake.write("responses", cell, rows_of("responses", SOUND["responses"]))
    return CELLS


@pytest.fixture
def said() -> list[str]:
    return []


def unchecked(lake: Lake) -> list[str]:
    return [reason for cell in CELLS for reason in unmet(lake, "responses", cell, SUITES)]


def test_what_was_checked_ahead_is_not_evaluated_again(
    lake: Lake, cells: list[dict[str, str]], said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with ChecksAhead(lake, "responses", said.append) as checks:
        for cell in cells:
            checks.check(cell)
    assert unchecked(lake) == []
    monkeypatch.setattr(run, "_evaluate", None)
    assert all(run.check_partition(lake, "responses", cell, SUITES) for cell in cells)


def test_a_single_partition_needs_no_process(lake: Lake, cells: list[dict[str, str]], said: list[str]) -> None:
    with ChecksAhead(lake, "responses", said.append) as checks:
        checks.check(cells[0])
        assert checks._process is None
    assert len(unchecked(lake)) == 3


def test_an_exception_waits_for_no_check(lake: Lake, cells: list[dict[str, str]], said: list[str]) -> None:
    checks = ChecksAhead(lake, "responses", said.append)
    for cell in cells:
        checks.check(cell)
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt), checks:
        raise KeyboardInterrupt
    assert time.monotonic() - begun < 1
    assert checks._process
    assert checks._process.returncode == -signal.SIGKILL


def test_if_the_process_dies_the_check_that_follows_does_it_all(
    lake: Lake, cells: list[dict[str, str]], said: list[str]
) -> None:
    with ChecksAhead(lake, "responses", said.append) as checks:
        for cell in cells[:2]:
            checks.check(cell)
        assert checks._process
        checks._process.kill()
        checks._process.wait()
        checks.check(cells[2])
    for cell in cells:
        run.check_partition(lake, "responses", cell, SUITES)
    assert unchecked(lake) == []


MAKER = """
import sys, time
from pathlib import Path
from dagster_project.lake import Lake
from dagster_project.quality.expectations import ChecksAhead
with ChecksAhead(Lake(Path(sys.argv[1])), "responses", print) as checks:
    for number in range(500):
        checks.check({"model": "plain", "prompt_batch": f"b{number}"})
    print(checks._process.pid, flush=True)
    time.sleep(60)
"""


def test_it_ends_with_whoever_makes_the_partitions(lake: Lake, cells: list[dict[str, str]]) -> None:
    environment = os.environ | {"PYTHONPATH": str(PROJECT_ROOT)}
    command = [sys.executable, "-c", MAKER, str(lake.root)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as maker:
        assert maker.stdout
        checker = Path("/proc") / maker.stdout.readline().strip()
        assert checker.exists()
        maker.kill()
    until(lambda: not checker.exists() or "(python) Z" in (checker / "stat").read_text())
