"""Backfilling a new model against a real server on loopback: exactly the missing cells, and no others."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import dagster as dg
import pytest
import yaml

from dagster_project.automation import spending
from dagster_project.cli.backfill import backfill
from dagster_project.cli.launch import Launcher
from dagster_project.curation import deliver_prompts
from dagster_project.definitions import build_defs
from dagster_project.errors import SteerworksError
from dagster_project.lake import Lake
from dagster_project.loopback.models import Behaviour, serve_models
from dagster_project.settings import Home, Settings

pytestmark = pytest.mark.slow

BATCHES = ("spring", "summer")
DEAR = {"output_usd_per_million": 1_000_000 / 8}
"""At most 1 USD an answer."""


def configure(config: Path, address: str, *slugs: str, **fields: object) -> None:
    model = {
        "endpoint": "loopback",
        "revision": "1",
        "sampling": {"max_tokens": 8},
        "terms": {"licence": "CC0-1.0", "outputs_may_train": True},
        **fields,
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


def test_cells_that_ran_out_of_money_are_asked_for_until_they_are_full(
    config: Path, home: Home, settings: Settings, tmp_path: Path
) -> None:
    deliver(home, tmp_path)
    with serve_models(Behaviour(usage=False)) as server:
        configure(config, server.address, "first", prices=DEAR)
        launcher = Launcher(settings)
        for batch in BATCHES:
            launcher.prompts(batch)
        backfill(max_usd=4.0)
        rows = Lake(home.lake).read("responses")
        assert Counter(rows["reason"]) == {None: 4, "budget": 2}
        assert rows["cost_usd"].sum() == 4.0
        assert launcher.missing_responses(["first"]) == [("first|summer", "first|summer")]
        backfill()
        assert launcher.missing_responses(["first"]) == []
        assert server.stats()["requests"] == 6


def test_a_backfill_goes_on_after_a_model_that_fails_and_ends_with_its_reason(
    config: Path, home: Home, settings: Settings, tmp_path: Path
) -> None:
    deliver(home, tmp_path)
    with serve_models(Behaviour()) as server:
        configure(config, server.address, "zest", "down")
        Launcher(settings).prompts("spring")
        with pytest.raises(SteerworksError, match="model `down`: the endpoint `down`"):
            backfill()
    rows = Lake(home.lake).read("responses")
    assert Counter(rows["model"]) == {"zest": 3}


def test_turns_in_between_keep_to_the_money_of_the_run(
    config: Path, home: Home, settings: Settings, tmp_path: Path
) -> None:
    turns = [[{"role": "user", "content": f"{word} me a story."} for word in words] for words in ("ab", "cd", "ef")]
    path = tmp_path / "turns.jsonl"
    path.write_text("".join(json.dumps({"messages": messages}) + "\n" for messages in turns))
    deliver_prompts(home, path, "turns", "test", "CC0-1.0")
    with serve_models(Behaviour(usage=False)) as server, dg.instance_for_test() as instance:
        configure(config, server.address, "first", prices=DEAR)
        instance.add_dynamic_partitions("prompt_batch", ["turns"])
        job = build_defs(settings).resolve_job_def("prompts_job")
        job.execute_in_process(instance=instance, partition_key="turns", run_config=spending("selected_prompts", 2.0))
        assert server.stats()["requests"] == 2
    rows = Lake(home.lake).read("selected_prompts")
    assert Counter(rows["reason"]) == {None: 2, "completion_failed: budget": 1}
