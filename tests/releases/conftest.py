"""Installations with a closed campaign in their lake, and configurations that release it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from dagster_project.lake import Lake
from dagster_project.releases import build_release
from dagster_project.settings import PROJECT_ROOT, Home, Settings
from tests.releases.release_inputs import CAMPAIGNS, SMALL_RUBRIC, VENDORS, Fixture, nothing_unmet, write_spec


def make_installation(root: Path) -> Settings:
    """An installation of its own under a folder: a home and a configuration."""
    folder = root / "config"
    shutil.copytree(PROJECT_ROOT / "config", folder, ignore=shutil.ignore_patterns("releases"))
    (folder / "releases").mkdir()
    (folder / "small.yaml").write_text(yaml.safe_dump(SMALL_RUBRIC), encoding="utf-8")
    campaigns = {slug: {**fields, "rubric": "small.yaml"} for slug, fields in CAMPAIGNS.items() if slug != "starter"}
    campaigns["starter"] = CAMPAIGNS["starter"]
    (folder / "campaigns.yaml").write_text(yaml.safe_dump({"campaigns": campaigns}), encoding="utf-8")
    (folder / "vendors.yaml").write_text(yaml.safe_dump({"vendors": VENDORS}), encoding="utf-8")
    settings = Settings(folder, Home(root / "home"))
    write_spec(settings, "v0.1.0")
    return settings


@pytest.fixture
def make_settings(tmp_path: Path) -> Callable[[str], Settings]:
    """Make an installation under a name."""
    return lambda name: make_installation(tmp_path / name)


@pytest.fixture(scope="session")
def small_release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installation that has built the release of its small campaign: to be copied, and not to be touched."""
    root = tmp_path_factory.mktemp("small-release")
    settings = make_installation(root)
    lake = Lake(settings.home.lake)
    Fixture(lake, "small", settings, "acme").write()
    build_release(lake, settings, "v0.1.0", nothing_unmet)
    return root


def copied(original: Path, settings: Settings) -> Path:
    """Lay a copy of an installation with a release over one that has nothing; return the folder of the release."""
    shutil.copytree(original, settings.folder.parent, dirs_exist_ok=True)
    return settings.home.releases / "v0.1.0"


@pytest.fixture
def settings(make_settings: Callable[[str], Settings]) -> Settings:
    return make_settings("one")


@pytest.fixture
def lake(settings: Settings) -> Lake:
    return Lake(settings.home.lake)


@pytest.fixture
def small(lake: Lake, settings: Settings) -> Fixture:
    """A campaign that people rated, under three attributes from 1 to 5; not written yet."""
    return Fixture(lake, "small", settings, "acme")


@pytest.fixture
def starter(lake: Lake, settings: Settings) -> Fixture:
    """A campaign of simulated ratings under the default rubric; not written yet."""
    return Fixture(lake, "starter", settings, "simulated", simulated=True)


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """`datasets.load_dataset`, without network and with a cache of its own."""
    for name in ("HF_DATASETS_OFFLINE", "HF_HUB_OFFLINE", "HF_HUB_DISABLE_TELEMETRY"):
        monkeypatch.setenv(name, "1")
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_OFFLINE", True)
    datasets.disable_progress_bars()
    return lambda path, name=None, **more: datasets.load_dataset(
        str(path), name, cache_dir=str(tmp_path / "cache"), **more
    )
