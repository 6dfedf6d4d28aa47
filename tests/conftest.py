"""What all tests share: an empty home and a copy of the default configuration."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings as hypothesis_settings
from xdist.scheduler import LoadFileScheduling

from dagster_project.lake import Lake
from dagster_project.settings import PROJECT_ROOT, Home, Settings

# How long an example takes says how busy the machine is, and nothing about the code.
hypothesis_settings.register_profile("steerworks", deadline=None)
hypothesis_settings.load_profile("steerworks")

# Where memory abounds, folders of tests lie in it: a quarter of a run of the lineage is waiting for the disk.
IN_MEMORY, ROOM_BYTES = Path("/dev/shm"), 8 << 30  # noqa: S108 - pytest makes folders of its own there
if IN_MEMORY.is_dir() and shutil.disk_usage(IN_MEMORY).free > ROOM_BYTES:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(IN_MEMORY))

SHARED_DATA = PROJECT_ROOT.parent / "shared" / "data"


STARTER = {"tests/end_to_end/test_starter_release.py", "tests/end_to_end/test_ui.py"}
"""Files whose tests look at one release, which takes minutes to make."""


class ByFile(LoadFileScheduling):
    """Keeps the tests of a file in one process, and those on the starter release: what they share is set up once."""

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        return "starter" if file in STARTER else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile:
    """Give each process whole files. (Of groups of tests, pytest 9.2 lets pytest-xdist 3.8 know nothing.)"""
    return ByFile(config, log)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("STEERWORKS_HOME", str(tmp_path / "home"))
    return Home.from_environment()


@pytest.fixture
def lake(home: Home) -> Lake:
    return Lake(home.lake)


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the default configuration that a test may edit."""
    folder = tmp_path / "config"
    shutil.copytree(PROJECT_ROOT / "config", folder, ignore=shutil.ignore_patterns("*.lock.json"))
    monkeypatch.setenv("STEERWORKS_CONFIG", str(folder))
    return folder


@pytest.fixture
def settings(config: Path, home: Home) -> Settings:
    return Settings(config, home)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Public annotation sets, laid beside the project where it is developed."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"the public annotation sets are not here ({SHARED_DATA.name} beside the project)")
    return SHARED_DATA


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 megabytes."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = shutil.which("mount")
    if (
        mount is None
        or subprocess.run([mount, "-t", "tmpfs", "-o", "size=24m", "tmpfs", folder], check=False).returncode
    ):
        pytest.skip("mounting a small file system is not allowed here")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)
