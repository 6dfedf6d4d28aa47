"""Who annotates is known in the vault alone: everything else under the home is searched after real runs."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import sqlite3
import subprocess
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openpyxl
import polars as pl
import pytest
import yaml

from dagster_project.cli.launch import Launcher
from dagster_project.errors import SteerworksError
from dagster_project.lake import Lake
from dagster_project.settings import Home, Settings
from dagster_project.vendors import close, take_again, take_in
from tests.end_to_end.conftest import STEERWORKS
from tests.end_to_end.real_sets import write_jsonl
from tests.vendors.vendor_inputs import rating

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

WORKERS = {
    "mail": "wanda.workerly@example.org",
    "name": "Zoë Ångström-Maier",
    "id": "W-7731-XK",
    "number": "8840417733",
    "mapped": "Bartholomew Q. Fenwick",
}
NAMES = ("helpfulness", "correctness", "coherence", "complexity", "verbosity")
FIRST = WORKERS["mail"]


@pytest.fixture
def campaign(config: Path, home: Home, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """People of two vendors, one with columns of its own, rate responses that came from elsewhere."""
    monkeypatch.setenv("STEERWORKS_PSEUDONYM_KEY", "a key for this test only")
    tasks = home.root / "imports" / "tasks.jsonl"
    terms = {"licence": "Apache-2.0", "outputs_may_train": True}
    write_jsonl(
        tasks,
        [
            {"task_id": f"{vendor}-{n}", "prompt": f"Question {n} for {vendor}?", "source": "s", "licence": "CC0-1.0"}
            | {
                "responses": [
                    {"response_id": f"{vendor}-{n}{side}", "response": f"{side} {n}", "model": f"model-{side}"} | terms
                    for side in "ab"
                ]
            }
            for vendor in ("acme", "bolt")
            for n in range(6)
        ],
    )
    lines = tasks.read_text().splitlines(keepends=True)
    mapping = {"fields": {"task_id": "item", "annotator": "Rater", "submitted_at": "at"}}
    mapping["responses"] = [{name: f"{side} {name}" for name in NAMES} for side in "ab"]  # type: ignore[assignment]
    vendors = {"acme": {"licence": "MIT"}, "bolt": {"licence": "MIT", "mapping": mapping}}
    for vendor in vendors:
        (home.root / "imports" / f"{vendor}.jsonl").write_text("".join(line for line in lines if f'"{vendor}-' in line))
    campaigns = {
        vendor: {"vendor": vendor, "guideline_version": "1", "imported": str(home.root / "imports" / f"{vendor}.jsonl")}
        for vendor in vendors
    }
    (config / "vendors.yaml").write_text(yaml.safe_dump({"vendors": vendors, "settle_seconds": 0}))
    (config / "campaigns.yaml").write_text(yaml.safe_dump({"campaigns": campaigns}))
    shutil.rmtree(config / "releases")
    release = {"name": "People's", "campaigns": ["acme", "bolt"], "licence": "cc-by-4.0"}
    release |= {"validation_share": 0.1, "seed": 1}
    (config / "releases").mkdir()
    (config / "releases" / "v1.0.0.yaml").write_text(yaml.safe_dump(release))
    return Settings(config, home)


def canonical_rows() -> list[dict[str, Any]]:
    """Good rows of three people who rate all, then rows in which a name stands where it should not."""
    good = [
        rating(
            {"task_id": f"acme-{n}", "responses": [{"response_id": f"acme-{n}a"}, {"response_id": f"acme-{n}b"}]},
            side,
            annotator=WORKERS[who],
            helpfulness=(n + side + (4 if who == "id" and n == 2 else 0)) % 5,
            justification=f"{WORKERS[who]} says: the first one.",
        )
        for n in range(6)
        for side in (0, 1)
        for who in ("mail", "name", "id")
    ]
    places = ("task_id", "response_id", "helpfulness", "flags", "submitted_at", "guideline_version", "revision")
    return [*good, *({**good[0], place: FIRST} for place in places), good[0] | {FIRST: 1}]


def deliver_all(home: Home) -> None:
    """Deliver files of all kinds: named after a person, cut, without a header, broken, packed, and not to be read."""
    rows = canonical_rows()
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    table = io.StringIO()
    writer = csv.DictWriter(table, list(rows[0]))
    writer.writeheader()
    writer.writerows({**row, "flags": "", "annotator": WORKERS["number"]} for row in rows[:4])
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(f"{FIRST}.csv", f"{FIRST},3,3\n{FIRST},1,1\n")
    book, sheet_file = openpyxl.Workbook(), io.BytesIO()
    book.active.title = FIRST[:31].replace("@", " at ")
    book.active.append([FIRST, "task_id"])
    book.active.append([WORKERS["name"], "acme-1"])
    book.save(sheet_file)
    files: dict[str, bytes] = {
        f"from {FIRST}.jsonl": lines.encode(),
        "cut.jsonl": lines.encode()[:-40],
        "table.csv": table.getvalue().encode(),
        "no-header.csv": f"{FIRST};{WORKERS['name']};3\n".encode(),
        "latin.csv": f"{WORKERS['name']},3\n".encode("latin-1"),
        "packed.zip": packed.getvalue(),
        "book.xlsx": sheet_file.getvalue(),
        "half.parquet": b"PAR1" + FIRST.encode() * 9,
        "not.json": f'[{{"annotator": "{FIRST}"'.encode(),
    }
    for name, content in files.items():
        put(home, "acme", name, content)
    sides = {f"{side} {name}": number for number, side in enumerate("ab", start=1) for name in NAMES}
    theirs = [
        {
            "item": f"bolt-{n}",
            "Rater": who,
            "at": "2026-03-01T00:00:00Z",
            "E-mail": f"{who}@example.org".lower(),
            **sides,
        }
        for n in range(6)
        for who in (WORKERS["mapped"], WORKERS["id"], WORKERS["mail"])
    ]
    theirs.append({**theirs[0], "a helpfulness": WORKERS["mapped"], "at": "yesterday"})
    put(home, "bolt", "ours.json", json.dumps(theirs).encode())


def put(home: Home, vendor: str, name: str, content: bytes) -> None:
    path = home.inbox / vendor / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (time.time() - 60,) * 2)


def told(path: Path) -> Iterator[str]:
    """Yield all that a file tells, also where its pages are packed or a text runs over several of them."""
    yield path.name
    content = path.read_bytes()
    if content.startswith(b"PAR1") and content.endswith(b"PAR1"):
        yield str(pl.read_parquet(path).to_dicts())
    elif content.startswith(b"SQLite format 3"):
        with sqlite3.connect(path) as database:
            yield from database.iterdump()
    else:
        yield content.decode("utf-8", "replace")


def named_in(text: str) -> set[str]:
    """Return the people whom a text names, as they stand or as JSON escapes them."""
    known = {*WORKERS.values(), "bartholomew q. fenwick@example.org"}
    return {who for who in known if who in text or json.dumps(who)[1:-1] in text}


def test_nobody_is_named_outside_the_vault(campaign: Settings, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    launcher, lake = Launcher(campaign), Lake(home.lake)
    for slug in ("acme", "bolt"):
        launcher.run("tasks", slug)
    deliver_all(home)
    fail_for_another_key(launcher, monkeypatch)
    fail_in_the_middle(launcher, home)
    for slug in ("acme", "bolt"):
        launcher.run("ratings", slug)
    assert {"unknown_task", "bad_type", "missing_columns", "cut_row", "not_parquet"} <= set(
        lake.read("quarantine")["rule"]
    )
    assert lake.read("annotations")["annotator"].n_unique() == 7
    assert take_again(lake, campaign, "acme")
    assert take_in(lake, campaign, "acme") == []
    said = [command("campaign", "status", "acme"), command("quarantine"), command("campaign", "annotators", "acme")]
    said.append(command("quarantine", "retake", "bolt"))
    for slug in ("acme", "bolt"):
        close(lake, campaign, slug)
        launcher.run("consensus", slug)
    launcher.release("v1.0.0")
    assert (home.releases / "v1.0.0" / "manifest.json").exists()

    assert not named_in("".join(said))
    everywhere = {path: set().union(*map(named_in, told(path))) for path in home.root.rglob("*") if path.is_file()}
    found = {folder: set[str]() for folder in ("vault", "outbox")}
    for path, names in everywhere.items():
        folder = path.relative_to(home.root).parts[0]
        assert not names or folder in found, (path, names)
        found.setdefault(folder, set()).update(names)
    assert found["vault"] >= set(WORKERS.values()), "the search finds who is there"
    assert {"dagster", "lake", "releases", "reports"} <= found.keys()
    assert any(path.suffix == ".db" for path in everywhere), "Dagster's own storage was searched"
    only_whom_a_round_is_not_for(home)


def fail_for_another_key(launcher: Launcher, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have runs fail for a key that is not set, so that errors stand in Dagster's log."""
    with monkeypatch.context() as patch:
        patch.delenv("STEERWORKS_PSEUDONYM_KEY")
        with pytest.raises(SteerworksError, match="is not set"):
            launcher.run("ratings", "acme")


def fail_in_the_middle(launcher: Launcher, home: Home) -> None:
    """Have a run fail while rows are written down, with an error that nobody foresaw."""
    in_the_way = home.lake / "deliveries"
    in_the_way.write_text("")
    with pytest.raises(SteerworksError):
        launcher.run("ratings", "acme")
    in_the_way.unlink()


def command(*arguments: str) -> str:
    result = subprocess.run([STEERWORKS, *arguments], capture_output=True, text=True, check=False, timeout=300)
    assert result.returncode == 0, result.stderr
    return result.stdout + result.stderr


def only_whom_a_round_is_not_for(home: Home) -> None:
    """Outside of the vault, vendors are told by their own ids whom they must not send a task to: this, and no more."""
    for path in home.outbox.rglob("*"):
        if path.suffix == ".jsonl":
            tasks = [json.loads(line) for line in path.read_text().splitlines()]
            rest = [{name: value for name, value in task.items() if name != "exclude_annotators"} for task in tasks]
            assert not named_in(json.dumps(rest, ensure_ascii=False)), path
        elif path.is_file():
            assert not named_in(path.read_text()), path
