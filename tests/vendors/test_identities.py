"""Workers' pseudonyms and the vault."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dagster_project.errors import SteerworksError
from dagster_project.lake import Lake
from dagster_project.settings import Home, Settings
from dagster_project.vendors import Pseudonyms, take_in
from dagster_project.vendors.identities import workers_of
from tests.vendors.vendor_inputs import rating

Tasks = list[dict[str, Any]]


def test_a_pseudonym_is_a_keyed_hash_of_vendor_and_worker(settings: Settings, acme: str) -> None:
    pseudonym = Pseudonyms.of_vendor(settings, "acme").pseudonym("w-1")
    expected = hmac.new(b"a key for tests", b"acme\0w-1", hashlib.sha256).hexdigest()
    assert pseudonym == f"a-{expected[:20]}"
    assert Pseudonyms.of_vendor(settings, "simulated").pseudonym("w-1") != pseudonym


def test_the_map_is_private_and_holds_each_worker_once(settings: Settings, acme: str, home: Home) -> None:
    pseudonyms = Pseudonyms.of_vendor(settings, "acme")
    pseudonyms.remember({"w-1", "w-2"})
    pseudonyms.remember({"w-2", "w-3"})
    known = workers_of(home.vault, "acme")
    assert sorted(known.values()) == ["w-1", "w-2", "w-3"]
    assert known[pseudonyms.pseudonym("w-3")] == "w-3"
    path = home.vault / "workers" / "acme.jsonl"
    assert len(path.read_text().splitlines()) == 3
    modes = {one.name: one.stat().st_mode & 0o777 for one in (home.vault, path.parent, path, home.vault / "keys.json")}
    assert modes == {"vault": 0o700, "workers": 0o700, "acme.jsonl": 0o600, "keys.json": 0o600}


def test_half_a_line_of_a_killed_process_is_written_anew(settings: Settings, acme: str, home: Home) -> None:
    pseudonyms = Pseudonyms.of_vendor(settings, "acme")
    pseudonyms.remember({"w-1", "w-2"})
    path = home.vault / "workers" / "acme.jsonl"
    path.write_bytes(path.read_bytes()[:-9])
    assert len(workers_of(home.vault, "acme")) == 1
    pseudonyms.remember({"w-1", "w-2"})
    assert sorted(workers_of(home.vault, "acme").values()) == ["w-1", "w-2"]


def test_another_key_is_refused_before_anything_is_taken_in(
    lake: Lake,
    settings: Settings,
    first_round: Tasks,
    deliver: Callable[..., Path],
    home: Home,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    deliver("acme", "one.jsonl", [rating(first_round[0])])
    take_in(lake, settings, "acme")
    monkeypatch.setenv("STEERWORKS_PSEUDONYM_KEY", "another key")
    waiting = deliver("acme", "two.jsonl", [rating(first_round[1])])
    with pytest.raises(SteerworksError) as error:
        take_in(lake, settings, "acme")
    assert "the pseudonym key is not the one" in str(error.value)
    assert "another key" not in str(error.value).replace("Under another key", "")
    assert waiting.exists()
    assert lake.rows("intake") == 1


def test_an_unset_key_is_an_error_that_says_how_to_make_one(
    lake: Lake, settings: Settings, acme: str, deliver: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STEERWORKS_PSEUDONYM_KEY")
    deliver("acme", "one.jsonl", [])
    with pytest.raises(SteerworksError, match="openssl rand"):
        take_in(lake, settings, "acme")


def test_no_worker_is_named_outside_vault_inbox_and_outbox(
    lake: Lake, settings: Settings, first_round: Tasks, deliver: Callable[..., Path], home: Home
) -> None:
    worker = "wanda.worker@example.org"
    shifted = rating(first_round[0], helpfulness=worker, task_id=worker, flags=[worker], submitted_at=worker)
    rows = [
        rating(first_round[0], justification=f"Signed, {worker}"),
        shifted,
        rating(first_round[1], helpfulness=worker, response_id=worker, flags=[worker], submitted_at=worker),
        rating(first_round[2], **{worker: 3}),
    ]
    deliver("acme", f"{worker}.jsonl", rows)
    deliver("acme", "no-header.csv", f"{worker},3,3,3\n{worker},1,1,1\n")
    reports = take_in(lake, settings, "acme")
    assert sum(report.accepted for report in reports) == 2
    assert worker not in repr(reports)
    told = [
        path
        for path in home.root.rglob("*")
        if path.is_file() and (worker.encode() in path.read_bytes() or worker in path.name)
    ]
    assert told
    assert not [path for path in told if path.relative_to(home.root).parts[0] not in ("vault", "inbox", "outbox")]
    assert worker not in str([lake.read(table).to_dicts() for table in ("intake", "quarantine", "deliveries")])
