"""Inputs of the vendor half, written to a real lake: selected prompts, and the answers of three models."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dagster_project.identity import digest
from dagster_project.lake import Lake
from dagster_project.settings import Home, Settings
from dagster_project.vendors import export_round, freeze_tasks
from tests.vendors.vendor_inputs import exported_tasks, prompt_row, write_inputs


@pytest.fixture
def prompts() -> list[dict[str, Any]]:
    return [prompt_row(number) for number in range(1, 11)]


@pytest.fixture
def answered(lake: Lake, prompts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Ten selected prompts, each answered by all three models."""
    write_inputs(lake, prompts)
    return prompts


@pytest.fixture
def at_once(config: Path) -> None:
    """Files in the inbox count as settled at once."""
    path = config / "vendors.yaml"
    path.write_text(path.read_text().replace("settle_seconds: 2", "settle_seconds: 0"))


@pytest.fixture
def acme(config: Path, monkeypatch: pytest.MonkeyPatch, at_once: None) -> str:
    """A human vendor with two campaigns over the same answers."""
    vendors = config / "vendors.yaml"
    entry = "  acme: {licence: CC-BY-4.0, usd_per_annotation: 0.5}\n"
    vendors.write_text(vendors.read_text().replace("vendors:\n", f"vendors:\n{entry}", 1))
    pairing = "pairing: {prompt_batches: [starter], pairs_per_prompt: 1, seed: 3}"
    with (config / "campaigns.yaml").open("a") as file:
        for slug in ("first", "second"):
            file.write(f'\n  {slug}:\n    vendor: acme\n    guideline_version: "2.0"\n    {pairing}\n')
    monkeypatch.setenv("STEERWORKS_PSEUDONYM_KEY", "a key for tests")
    return "acme"


@pytest.fixture
def deliver(home: Home) -> Callable[..., Path]:
    """Put a file into a vendor's inbox: rows become JSON Lines, text and bytes go as they are."""

    def put(vendor: str, name: str, content: list[dict[str, Any]] | str | bytes) -> Path:
        path = home.inbox / vendor / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, list):
            content = "".join(json.dumps(row) + "\n" for row in content)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return put


@pytest.fixture(scope="session")
def exported_homes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of homes whose campaign `first` was exported, each named by what decides that: to be copied only."""
    return tmp_path_factory.mktemp("exported")


@pytest.fixture
def first_round(
    lake: Lake, settings: Settings, answered: list[dict[str, Any]], acme: str, exported_homes: Path
) -> list[dict[str, Any]]:
    """The exported tasks of acme's campaign `first`; they are made once for the same prompts and configuration."""
    texts = [path.read_text() for path in sorted(settings.folder.rglob("*")) if path.is_file()]
    made = exported_homes / digest([texts, answered])
    if not made.exists():
        freeze_tasks(lake, settings, "first")
        path = export_round(lake, settings, "first", 1)
        shutil.copytree(settings.home.root, made / "home")
        (made / "tasks").write_text(str(path.relative_to(settings.home.root)))
    shutil.copytree(made / "home", settings.home.root, dirs_exist_ok=True)
    return exported_tasks(settings.home.root / (made / "tasks").read_text())
