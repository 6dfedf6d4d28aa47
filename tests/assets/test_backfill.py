"""Backfilling a new model against a real server on loopback: exactly the missing cells, and no others."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
import yaml

from dagster_project.cli.launch import Launcher
from dagster_project.curation import deliver_prompts
from dagster_project.errors import SteerworksError
from dagster_project.lake import Lake
from dagster_project.loopback.models import Behaviour, serve_models
from dagster_project.settings import Home, Settings

BATCHES = ("spring", "summer")


def configure(config: Path, address: str, *slugs: str) -> None:
    model = {
        "endpoint": "loopback",
        "revision": "1",
        "sampling": {"max_tokens": 8},
        "terms": {"licence": "CC0-1.0", "outputs_may_train": True},
    }
    models = {
        "endpoints": {"loopback": {"base_url": address}, "down": {"base_url": "http://127.0.0.1:9/v1"}},
        "models": {
            slug: model | {"name": slug, "endpoint": "down" if "down" in slug else "loopback"} for slug in slugs
        },
    }
    (config / "models.yaml").write_text(yaml.safe_dump(models))
    curation = {"completion_model": slugs[0], "selection": {"target": 3}}
    (config / "curation.yaml").write_text(yaml.safe_dump(curation))


def deliver(home: Home, tmp_path: Path) -> None:
    for batch in BATCHES:
        rows = [{"prompt": f"What grows in {batch}, number {number}?"} for number in range(3)]
        path = tmp_path / f"{batch}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        deliver_prompts(home, path, batch, "test", "CC0-1.0")


def fill(launcher: Launcher, *models: str) -> None:
    for first, last in launcher.missing_responses(models):
        launcher.responses_in_range(first, last)


def test_a_new_model_is_asked_for_every_prompt_and_no_other_model_is_asked(
    config: Path, home: Home, settings: Settings, tmp_path: Path
) -> None:
    deliver(home, tmp_path)
    with serve_models(Behaviour(latency=0.01)) as server:
        configure(config, server.address, "first")
        launcher = Launcher(settings)
        for batch in BATCHES:
            launcher.prompts(batch)
        fill(launcher, "first")
        assert server.stats()["requests"] == 6
        configure(config, server.address, "first", "second")
        again = Launcher(Settings(config, home))
        assert again.missing_responses(["first", "second"]) == [("second|spring", "second|summer")]
        fill(again, "first", "second")
        assert server.stats()["requests"] == 12
        assert again.missing_responses(["first", "second"]) == []
    rows = Lake(home.lake).read("responses")
    assert Counter(rows["model"]) == {"first": 6, "second": 6}


def test_a_model_whose_endpoint_is_down_is_named_and_its_cells_stay_missing(
    config: Path, home: Home, settings: Settings, tmp_path: Path
) -> None:
    deliver(home, tmp_path)
    with serve_models(Behaviour()) as server:
        configure(config, server.address, "first", "down")
        launcher = Launcher(settings)
        launcher.prompts("spring")
        fill(launcher, "first")
        with pytest.raises(SteerworksError, match=r"model `down`: the endpoint `down` at http://127.0.0.1:9/v1"):
            fill(launcher, "down")
        assert launcher.missing_responses(["down", "first"]) == [("down|spring", "down|spring")]
