"""The legal withdrawal of a prompt and of a worker: gone from every store, refused from then on, nothing else moved."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import time
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from dagster_project.cli.launch import Launcher
from dagster_project.curation import deliver_prompts
from dagster_project.errors import SteerworksError
from dagster_project.loopback.models import LoopbackModels
from dagster_project.partitions import CellRange
from dagster_project.quality.expectations import load_suites, unmet
from dagster_project.releases import build_release, verify
from dagster_project.releases.publishing import publish_release
from dagster_project.settings import PROJECT_ROOT
from dagster_project.vendors import take_in
from tests.withdrawal.conftest import (
    BATCH,
    CAMPAIGN,
    LETTER,
    NEAR,
    OTHERS,
    SHOUTED,
    STEERWORKS,
    VENDOR,
    VERSION,
    WORKER,
    Installation,
    Traces,
    as_lines,
    describe,
    withdraw,
)
from tests.withdrawal.stores import mentions

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

YANKED = f"releases/{VERSION}/"


def left(one: Installation, wanted: tuple[str, ...]) -> dict[str, set[str]]:
    """What a home still says, outside of the release that is yanked."""
    found = mentions(one.home.root, wanted)
    outside = {text: {name for name in names if not name.startswith(YANKED)} for text, names in found.items()}
    return {text: names for text, names in outside.items() if names}


def hashes(root: Path) -> dict[str, str]:
    files = (path for path in root.rglob("*") if path.is_file() and path.suffix != ".lock")
    return {path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_all_of_it_is_found_where_it_is_before(released: Installation, traces: Traces) -> None:
    """The search that other tests trust finds each text and id, in tables, packed files, databases and journals."""
    found = left(released, (*traces.texts, *traces.ids, traces.prompt_id, traces.pseudonym, *traces.task_ids))
    folders = {
        text: {"/".join(name.split("/")[:2]).partition("=")[0] for name in names} for text, names in found.items()
    }
    assert {"inbox/prompts", "lake/raw_prompts", "lake/annotation_tasks", "outbox/acme"} <= folders[LETTER]
    assert {"lake/journal", "lake/responses", "lake/kept"} <= folders[traces.answers[0]]
    assert {"outbox/acme", "vault/deliveries", "vault/workers"} == folders[WORKER]
    assert {"lake/deliveries", "lake/annotator_quality", "lake/preferences"} <= folders[traces.pseudonym]
    assert any(name.startswith("dagster/") for name in left(released, (LETTER[:60],))[LETTER[:60]])


def test_a_trial_run_lists_what_would_go_and_changes_nothing(one: Installation, traces: Traces) -> None:
    before = hashes(one.home.root)
    said = withdraw("prompt", traces.prompt_id, "--dry-run") + withdraw("worker", VENDOR, WORKER, "--dry-run")
    for words in ("lake/raw_prompts: 1 of", "lake/journal: 1 of", "vault/deliveries:", "vault/workers: 1 of"):
        assert words in said
    assert f"{VERSION} would be yanked" in said
    assert hashes(one.home.root) == before


def test_nothing_of_it_is_left_in_any_store(withdrawn: Installation, traces: Traces) -> None:
    assert left(withdrawn, (*traces.texts, *traces.ids, LETTER[:60])) == {}
    assert "quarkmeister" not in str(withdrawn.lake.read("topics")["words"].to_list())
    register = {"vault/withdrawals", "releases/v0.1.0.yanked.json"}
    for name in (traces.pseudonym, *traces.task_ids):
        places = {path if path in register else str(Path(path).parent) for path in left(withdrawn, (name,))[name]}
        assert places <= register
    # where clusters are named after it, and where it holds its place in the order of selection
    tables = {path.split("/")[1] for path in left(withdrawn, (traces.prompt_id,))[traces.prompt_id]}
    assert tables == {"curated_prompts", "prompt_clusters", "selected_prompts", "withdrawals"}


def test_what_others_said_and_what_was_decided_about_others_stays(
    released: Installation, withdrawn: Installation, traces: Traces
) -> None:
    before, after = released.lake, withdrawn.lake
    secret = [row for row in before.read("curated_prompts").to_dicts() if _says(row, LETTER) or _says(row, SHOUTED)]
    gone = {row["prompt_id"] for row in secret}
    kept = ~pl.col("task_id").is_in(traces.task_ids) & (pl.col("annotator") != traces.pseudonym)
    assert after.read("deliveries").equals(before.read("deliveries").filter(kept))
    for table in ("curated_prompts", "prompt_topics", "prompt_embeddings", "selected_prompts", "responses"):
        others = pl.col("prompt_id").is_in(set(before.read(table)["prompt_id"]) - gone)
        assert after.read(table).filter(others).equals(before.read(table).filter(others)), table
    [near] = [row for row in after.read("curated_prompts").to_dicts() if _says(row, NEAR)]
    assert (near["reason"], near["cluster"]) == ("near_duplicate", traces.prompt_id)
    sealed = sorted((withdrawn.home.vault / "deliveries" / VENDOR).iterdir())
    assert all(path.name.endswith(".sealed.jsonl") for path in sealed)
    assert any(OTHERS[0] in path.read_text() for path in sealed)


def _says(row: dict[str, Any], text: str) -> bool:
    return [turn["content"] for turn in row["messages"]] == [text]


def test_every_row_is_accounted_for_and_every_expectation_holds(withdrawn: Installation) -> None:
    total = withdrawn.lake.read("delivery_accounts").filter(delivery_id="total").row(0, named=True)
    assert total["withdrawn"] > 0
    assert (total["unaccounted"], total["delivered"]) == (0, withdrawn.lake.read("intake")["rows"].sum())
    suites = load_suites(PROJECT_ROOT / "expectations")
    for table in ("intake", "quarantine", "delivery_accounts", "annotation_tasks", "preferences"):
        assert unmet(withdrawn.lake, table, {"campaign": CAMPAIGN}, suites) == []
    for table in ("raw_prompts", "curated_prompts", "selected_prompts", "topics"):
        assert unmet(withdrawn.lake, table, {"prompt_batch": BATCH}, suites) == []


def test_a_second_run_changes_no_byte(afterwards: Installation, traces: Traces) -> None:
    before = hashes(afterwards.home.root)
    for said in (withdraw("prompt", traces.prompt_id), withdraw("worker", VENDOR, WORKER)):
        assert "Nothing of it is in any store" in said
        assert f"{VERSION} is yanked" in said
    assert hashes(afterwards.home.root) == before


@pytest.mark.parametrize("moment", ["inbox/prompts/letters/*.sealed.jsonl", "vault/deliveries/acme/*.sealed.jsonl"])
def test_killed_half_way_and_run_again_it_finishes(one: Installation, traces: Traces, moment: str) -> None:
    command = [STEERWORKS, "withdraw", "prompt", traces.prompt_id]
    process = subprocess.Popen(command, env=os.environ, stdout=subprocess.DEVNULL)
    while not list(one.home.root.glob(moment)):
        assert process.poll() is None, "it was done before it could be killed"
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    [record] = (one.home.vault / "withdrawals").glob("*.json")
    assert not json.loads(record.read_text())["is_done"]
    withdraw("prompt", traces.prompt_id)
    assert left(one, (*traces.texts, *traces.response_ids)) == {}
    assert one.lake.read("delivery_accounts")["unaccounted"].to_list() == [0, 0, 0, 0]
    assert json.loads(record.read_text())["is_done"]


def test_it_is_refused_when_it_comes_again(afterwards: Installation, released: Installation, traces: Traces) -> None:
    home, lake = afterwards.home, afterwards.lake
    again = home.root.parent / "again.jsonl"
    again.write_text(as_lines([{"prompt": SHOUTED}, {"prompt": "Which of the planets has the longest day?"}]))
    delivery = deliver_prompts(home, again, "again", "a help desk", "CC0-1.0")
    Launcher(afterwards.settings).prompts("again")
    rows = lake.read("curated_prompts", {"prompt_batch": "again"}).sort("intake_number")
    assert (delivery.rows, delivery.withdrawn) == (2, 1)
    assert rows.select("kept", "reason").rows() == [(False, "withdrawn"), (True, None)]

    inbox, raw = home.inbox / VENDOR, released.home.vault / "deliveries" / VENDOR
    for path in sorted(raw.iterdir()):  # what the vendor has delivered already
        (inbox / path.name).write_bytes(path.read_bytes())
    row = {"task_id": traces.task_ids[0], "response_id": traces.response_ids[0], "annotator": OTHERS[0]}
    task = lake.read("annotation_tasks").row(0, named=True)
    by_worker = {**row, "task_id": task["task_id"], "response_id": task["response_id"], "annotator": WORKER}
    said = {"flags": ["not_english"], "submitted_at": "2026-04-01T09:00:00Z", "justification": LETTER}
    (inbox / "new.jsonl").write_text(as_lines([row | said, by_worker | said]))
    taken = {one.file: one for one in take_in(lake, afterwards.settings, VENDOR)}
    assert taken["new.jsonl"].rules == {"withdrawn": 2}
    assert all(one.duplicate for one in taken.values() if one.file != "new.jsonl")
    again.unlink()
    assert left(afterwards, (*traces.texts, WORKER)) == {}


def test_made_again_it_does_not_come_back_and_no_model_is_asked(
    afterwards: Installation, traces: Traces, models: LoopbackModels
) -> None:
    before = afterwards.lake.read("selected_prompts")
    asked = dict(models.counters.statuses)
    launcher = Launcher(afterwards.settings)
    for batch in (BATCH, "more"):
        launcher.prompts(batch)
    launcher.responses(CellRange(("alpha", "beta"), (BATCH,)))
    for job in ("tasks", "ratings", "consensus"):
        launcher.run(job, CAMPAIGN)
    assert dict(models.counters.statuses) == asked
    assert afterwards.lake.read("selected_prompts").equals(before)
    assert before["place"].drop_nulls().len() > before["selected"].sum()
    assert left(afterwards, (*traces.texts, *traces.ids)) == {}


def test_the_release_is_yanked_and_the_next_one_passes(
    afterwards: Installation, traces: Traces, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, lake = afterwards.settings, afterwards.lake
    met = partial(unmet, lake, suites=load_suites(PROJECT_ROOT / "expectations"))
    monkeypatch.setenv("HF_TOKEN", "hf_nobodys")
    assert verify(settings.home.releases / VERSION) == []
    for act in (build_release, publish_release):
        with pytest.raises(SteerworksError, match=f"{VERSION} is yanked since"):
            act(lake, settings, VERSION, met)
    describe(settings.folder, "v1.0.0", parent=VERSION)
    new = build_release(lake, settings, "v1.0.0", met).path
    assert {text for text in (*traces.texts, *traces.ids, traces.prompt_id) if mentions(new, [text])} == set()
    exclusions = pl.read_parquet(new / "provenance" / "exclusions.parquet").filter(reason="withdrawn")
    assert set(exclusions["kind"]) == {"prompt", "delivered row"}
