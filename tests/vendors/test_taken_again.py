"""Quarantined rows, listed, and taken again from the vault after a fix."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from dagster_project.cli import command_line
from dagster_project.lake import Lake
from dagster_project.settings import Home, Settings
from dagster_project.vendors import Merged, close, merge, take_again, take_in
from tests.vendors.vendor_inputs import rating

Tasks = list[dict[str, Any]]
Deliver = Callable[..., Path]


def mend(config: Path) -> None:
    """Map the vendor's word for a rating."""
    path = config / "vendors.yaml"
    vendors = yaml.safe_load(path.read_text())
    names = ("helpfulness", "correctness", "coherence", "complexity", "verbosity", "task_id", "response_id")
    fields = {name: name for name in (*names, "annotator", "submitted_at")}
    vendors["vendors"]["acme"]["mapping"] = {"fields": fields, "words": {"top": 4}}
    path.write_text(yaml.safe_dump(vendors))


@pytest.fixture
def worded(lake: Lake, settings: Settings, first_round: Tasks, deliver: Deliver) -> None:
    """One good row, one with a word in place of a number, one beyond help."""
    rows = [rating(first_round[0]), rating(first_round[1], helpfulness="top"), rating(first_round[2], verbosity=7)]
    deliver("acme", "words.jsonl", rows)
    deliver("acme", "good.jsonl", [rating(first_round[3])])
    take_in(lake, settings, "acme")


def test_a_mended_mapping_brings_rows_back_from_the_vault(lake: Lake, config: Path, home: Home, worded: None) -> None:
    assert merge(lake, "first") == Merged(used=2, quarantined=2)
    received = lake.read("intake").sort("file")["received_at"].to_list()
    mend(config)
    (file,) = take_again(lake, Settings(config, home), "acme")
    assert (file.file, file.before, file.after, file.left_alone) == ("words.jsonl", 2, 1, None)
    assert merge(lake, "first") == Merged(used=3, quarantined=1)
    assert lake.read("intake").sort("file")["received_at"].to_list() == received
    assert (file.after,) == tuple(again.after for again in take_again(lake, Settings(config, home), "acme"))


def test_without_a_fix_nothing_changes_by_a_byte(lake: Lake, settings: Settings, worded: None) -> None:
    before = [lake.content_hash(table) for table in ("intake", "deliveries", "quarantine")]
    take_again(lake, settings, "acme")
    assert [lake.content_hash(table) for table in ("intake", "deliveries", "quarantine")] == before


def test_a_closed_campaign_and_an_expired_file_are_left_alone(
    lake: Lake, config: Path, home: Home, worded: None
) -> None:
    mend(config)
    settings = Settings(config, home)
    for raw in (home.vault / "deliveries" / "acme").iterdir():
        raw.unlink()
    assert [file.left_alone for file in take_again(lake, settings, "acme")] == ["it is not in the vault any more"]
    close(lake, settings, "first")
    assert [file.left_alone for file in take_again(lake, settings, "acme")] == ["its campaign first is closed"]
    assert merge(lake, "first") == Merged(used=2, quarantined=2)


def test_what_a_kill_cut_short_is_read_again_the_next_time(
    lake: Lake, settings: Settings, worded: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("dagster_project.vendors.intake.Desk.enter", killed)
        with pytest.raises(KeyboardInterrupt):
            take_again(lake, settings, "acme")
    assert lake.rows("intake") == 1
    (file,) = take_again(lake, settings, "acme")
    assert (file.before, file.after) == (2, 2)
    assert merge(lake, "first") == Merged(used=2, quarantined=2)


def test_every_delivered_annotation_is_in_the_account_of_its_file(lake: Lake, worded: None) -> None:
    merge(lake, "first")
    accounts = {row["file"]: row for row in lake.read("delivery_accounts").to_dicts()}
    assert {name: row["delivered"] for name, row in accounts.items()} == {None: 4, "words.jsonl": 3, "good.jsonl": 1}
    assert {row["unaccounted"] for row in accounts.values()} == {0}
    (part,) = [path for path in lake.parts("deliveries") if pl.read_parquet(path).height == 1][:1]
    part.unlink()
    merge(lake, "first")
    assert lake.read("delivery_accounts").filter(delivery_id="total")["unaccounted"].item() == 1


@pytest.mark.slow
def test_the_command_lists_rows_and_takes_them_again(
    config: Path, worded: None, capfd: pytest.CaptureFixture[str], first_round: Tasks
) -> None:
    command_line(["quarantine"])(["quarantine"], standalone_mode=False)
    listed = capfd.readouterr().out
    assert "first: words.jsonl, row 2: bad_type `helpfulness` must be a whole number, or empty." in listed
    assert f'"task_id":"{first_round[1]["task_id"]}"' in listed
    assert "wanda" not in listed
    mend(config)
    command_line(["quarantine"])(["quarantine", "retake", "acme"], standalone_mode=False)
    assert "words.jsonl: 2 quarantined before, 1 now." in capfd.readouterr().out
