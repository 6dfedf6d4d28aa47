"""A build that is killed leaves nothing that looks like a release."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from dagster_project.lake import Lake
from dagster_project.releases import build_release
from dagster_project.releases.exporters import FORMATS
from dagster_project.releases.splits import SPLITS
from dagster_project.settings import PROJECT_ROOT, Settings
from tests.releases.release_inputs import Fixture, all_bytes, nothing_unmet

BUILD = """
import os, signal, sys
from pathlib import Path
from dagster_project.lake import Lake
from dagster_project.releases import build_release
from dagster_project.releases.exporters import FORMATS
from dagster_project.releases.splits import SPLITS
from dagster_project.settings import Home, Settings

settings = Settings(Path(sys.argv[1]), Home(Path(sys.argv[2])))
renames = int(sys.argv[3])

def die_at_the_rename(event, _):
    global renames
    if event == "os.rename":
        renames -= 1
        if renames == 0:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(die_at_the_rename)
build_release(Lake(settings.home.lake), settings, "v0.1.0", lambda table, partition: [])
"""
EXPORTS = {kind.path(split) for kind in FORMATS for split in SPLITS}
FILES, KEPT_INPUTS = 15 + len(EXPORTS), 7
SCANS = 1
"""Tables of the lake that a build makes first: what the texts hold of people."""
BEFORE_THE_FIRST_FILE, IN_THE_MIDDLE, BEFORE_THE_MANIFEST = SCANS + 1, SCANS + 6, SCANS + FILES
BEFORE_THE_NAME, BEFORE_THE_LOCK = SCANS + FILES + KEPT_INPUTS + 1, SCANS + FILES + KEPT_INPUTS + 2


def build_and_die(settings: Settings, renames: int) -> None:
    """Build in a process of its own, which kills itself before its n-th rename."""
    command = [sys.executable, "-c", BUILD, str(settings.folder), str(settings.home.root), str(renames)]
    ended = subprocess.run(command, cwd=PROJECT_ROOT, env={**os.environ}, capture_output=True, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()


@pytest.mark.slow
@pytest.mark.parametrize(
    "renames",
    [BEFORE_THE_FIRST_FILE, IN_THE_MIDDLE, BEFORE_THE_MANIFEST, BEFORE_THE_NAME],
    ids=["first", "middle", "manifest", "name"],
)
def test_nothing_half_done_is_visible_and_the_next_build_clears_up(
    small: Fixture, lake: Lake, settings: Settings, renames: int
) -> None:
    small.write()
    build_and_die(settings, renames)
    [leftover] = settings.home.releases.iterdir()
    assert leftover.name.startswith(".building-v0.1.0-")
    assert not list((settings.folder / "releases").glob("*.lock.json"))
    report = build_release(lake, settings, "v0.1.0", nothing_unmet)
    assert report.status == "built"
    assert [path.name for path in settings.home.releases.iterdir()] == ["v0.1.0"]
    assert not [name for name in all_bytes(report.path) if name.endswith(".tmp")]


@pytest.mark.slow
def test_killed_before_the_lock_the_release_is_whole_and_gets_its_lock(
    small: Fixture, lake: Lake, settings: Settings
) -> None:
    small.write()
    build_and_die(settings, BEFORE_THE_LOCK)
    assert not (settings.folder / "releases" / "v0.1.0.lock.json").exists()
    assert build_release(lake, settings, "v0.1.0", nothing_unmet).status == "verified"
    assert (settings.folder / "releases" / "v0.1.0.lock.json").exists()


def test_a_build_that_is_alive_is_left_in_peace(small: Fixture, lake: Lake, settings: Settings) -> None:
    small.write()
    other = settings.home.releases / f".building-v0.2.0-{os.getppid()}"
    other.mkdir(parents=True)
    build_release(lake, settings, "v0.1.0", nothing_unmet)
    assert other.exists()


KILLS = """
import os, random, shutil, signal, sys, time
from pathlib import Path
import duckdb, jinja2, polars, pyarrow.parquet
from dagster_project.lake import Lake
from dagster_project.releases import build_release
from dagster_project.settings import Home, Settings
from tests.releases.release_inputs import all_bytes

settings = Settings(Path(sys.argv[1]), Home(Path(sys.argv[2])))
release, lock = settings.home.releases / "v0.1.0", settings.folder / "releases" / "v0.1.0.lock.json"

def build():
    process = os.fork()
    if process == 0:
        try:
            build_release(Lake(settings.home.lake), settings, "v0.1.0", lambda table, partition: [])
        finally:
            os._exit(0)
    return process

began = time.monotonic()
os.waitpid(build(), 0)
seconds, whole, moments = time.monotonic() - began, all_bytes(release), random.Random(7)
for _ in range(10):
    shutil.rmtree(settings.home.releases, ignore_errors=True)
    lock.unlink(missing_ok=True)
    process = build()
    time.sleep(seconds * moments.random())
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    found = [path.name for path in settings.home.releases.glob("*") if not path.name.startswith(".building-")]
    if found:
        assert found == ["v0.1.0"] and all_bytes(release) == whole, found
    print("whole" if found else "nothing")
"""


@pytest.mark.slow
def test_killed_at_ten_random_moments_no_release_is_ever_half_there(lake: Lake, settings: Settings) -> None:
    Fixture(lake, "small", settings, "acme", tasks=60).write()
    command = [sys.executable, "-c", KILLS, str(settings.folder), str(settings.home.root)]
    ended = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert len(ended.stdout.split()) == 10
    build_release(lake, settings, "v0.1.0", nothing_unmet)
    assert [path.name for path in settings.home.releases.iterdir()] == ["v0.1.0"]
