"""What a new user gets from `make release`."""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from pathlib import Path

import pytest
import yaml

from dagster_project.loopback.models import serve_models
from tests.end_to_end.conftest import Starter

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def hashes(folder: Path) -> dict[str, str]:
    """Hash the files that matter: locks are empty, and what SQLite keeps beside the journals may be lost."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != ".lock" and ".sqlite" not in path.name
    }


def test_the_run_ends_with_a_summary_and_the_next_things_to_try(starter: Starter) -> None:
    for words in (
        *("Prompts", "40 of 120 selected", "Responses", "tokens", "Annotations", "kept", "excluded"),
        *("helpfulness", "collected", "retained", "shuffled", "SIMULATED", str(starter.release)),
        *("make ui", "steerworks backfill", "steerworks prompts add"),
    ):
        assert words in starter.output.replace("\n", " "), words


def test_answers_given_before_a_kill_are_not_asked_for_again(starter: Starter) -> None:
    journals = sorted((starter.home.lake / "journal").glob("model=*/*.jsonl"))
    lines = [line for path in journals for line in path.read_text().splitlines()]
    assert set(starter.answered_before_the_kill) <= set(lines)
    asked = Counter(json.loads(line)["request_hash"] for line in lines)
    assert set(asked.values()) == {1}


def test_every_model_answered_every_selected_prompt(starter: Starter) -> None:
    selected = starter.lake.read("selected_prompts").filter(starter.lake.read("selected_prompts")["selected"])
    responses = starter.lake.read("responses")
    assert len(responses) == 3 * len(selected) == 120
    assert responses.group_by("model").len()["len"].to_list() == [40, 40, 40]


def test_a_second_run_changes_no_byte_asks_nothing_and_is_quick(starter: Starter) -> None:
    release, journal = hashes(starter.release), hashes(starter.home.lake / "journal")
    begun = time.monotonic()
    again = starter.steerworks("run")
    assert again.returncode == 0, again.stderr
    assert time.monotonic() - begun < 30
    assert hashes(starter.release) == release
    assert hashes(starter.home.lake / "journal") == journal


def test_the_release_loads_as_three_configurations(
    starter: Starter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import datasets

    data = datasets.load_dataset(str(starter.release), cache_dir=str(tmp_path))
    rows = [row for split in ("train", "validation") for row in data[split]]
    assert {"prompt", "response", "helpfulness", "correctness", "coherence", "complexity", "verbosity"} <= set(rows[0])
    assert all(row["simulated"] for row in rows)
    assert all(0 <= row["helpfulness"] <= 4 for row in rows)
    preference = datasets.load_dataset(str(starter.release), "preference", cache_dir=str(tmp_path))
    assert {row["preference_strength"] for row in preference["train"]} <= {-3, -2, -1, 1, 2, 3}
    annotations = datasets.load_dataset(str(starter.release), "annotations", cache_dir=str(tmp_path))
    assert "kept" in set(annotations["train"]["stage"])
    assert set(data["train"]["prompt_id"]).isdisjoint(data["validation"]["prompt_id"])


def test_the_flaws_of_the_simulated_panel_are_found(starter: Starter) -> None:
    quality = starter.lake.read("annotator_quality")
    rules = set(quality.filter(~quality["trusted"])["rule"])
    assert rules == {"deviation", "bias", "straight_lining", "identical"}
    assert quality["trusted"].sum() >= 7


def test_top_ups_were_ordered_answered_and_the_campaign_closed(starter: Starter) -> None:
    ledger = starter.lake.read("top_up_tasks")
    assert ledger["annotators"].sum() > 0
    assert len(starter.lake.read("campaign_closings")) == 1
    said = starter.steerworks("campaign", "status", "starter").stdout
    assert "starter is closed" in said
    assert "none quarantined" in said


def test_each_delivered_row_is_accounted_for_once(starter: Starter) -> None:
    fates = starter.lake.read("annotation_fates")
    assert len(fates) == starter.lake.read("intake")["rows"].sum()
    assert {"used", "superseded", "duplicate"} <= set(fates["fate"])
    assert len(starter.lake.read("retained_annotations")) == fates["fate"].to_list().count("used")


def test_no_worker_is_named_outside_vault_inbox_and_outbox(starter: Starter) -> None:
    workers = [json.loads(line)["worker"] for p in (starter.home.vault / "workers").glob("*") for line in p.open()]
    assert workers
    private = (starter.home.vault, starter.home.inbox, starter.home.outbox)
    for path in starter.home.root.rglob("*"):
        if path.is_file() and not any(path.is_relative_to(folder) for folder in private):
            content = path.read_bytes()
            assert not any(worker.encode() in content for worker in workers), path


def test_a_simulated_release_says_so_and_cannot_be_published(starter: Starter) -> None:
    from dagster_project.releases import publication_refusals, read_manifest

    manifest = read_manifest(starter.release)
    assert "simulated" in (starter.release / "README.md").read_text().lower()
    assert manifest.simulated
    assert publication_refusals(manifest)


def test_verify_names_the_file_that_was_changed(starter: Starter, tmp_path: Path) -> None:
    import shutil

    assert starter.steerworks("verify", str(starter.release)).returncode == 0
    copy = tmp_path / "v0.1.0"
    shutil.copytree(starter.release, copy)
    with (copy / "data" / "train.parquet").open("r+b") as file:
        file.seek(100)
        file.write(b"\x00\x01\x02")
    broken = starter.steerworks("verify", str(copy))
    assert broken.returncode == 1
    assert "data/train.parquet" in broken.stderr


def test_a_new_model_is_backfilled_and_no_other_is_asked(starter: Starter) -> None:
    """Last in the file: it edits the starter's configuration. The embedded model has shown above that it answers."""
    models = starter.settings.folder / "models.yaml"
    before, release = hashes(starter.home.lake / "journal"), hashes(starter.release)
    with serve_models() as server:
        models.write_text(with_model_of(models.read_text(), server.address))
        said = starter.steerworks("backfill")
        assert said.returncode == 0, said.stderr
        assert dict(server.statuses) == {"200": 40}
        assert "Nothing is missing" in starter.steerworks("backfill").stdout
        assert dict(server.statuses) == {"200": 40}
    after = hashes(starter.home.lake / "journal")
    assert before.items() <= after.items()
    assert [name for name in after if name not in before] == ["model=another/prompt_batch=starter.jsonl"]
    assert len(starter.lake.read("responses", {"model": "another"})) == 40
    assert hashes(starter.release) == release


def with_model_of(models: str, address: str) -> str:
    """Return a configuration of models with one more, of a server on this machine."""
    content = yaml.safe_load(models)
    content["endpoints"]["loopback"] = {"base_url": address, "max_in_flight": 8}
    content["models"]["another"] = {
        "endpoint": "loopback",
        "name": "another",
        "revision": "1",
        "sampling": {"max_tokens": 4},
        "terms": {"licence": "CC0-1.0", "outputs_may_train": True},
    }
    return yaml.safe_dump(content, sort_keys=False)
