"""The register, what intake makes of it, and requests that cannot be met: on a home of its own, without a campaign."""

from __future__ import annotations

import gzip
import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from filelock import FileLock
from hypothesis import given
from hypothesis import strategies as st

from dagster_project.curation import deliver_prompts, take_in_prompts
from dagster_project.curation.delivery import seal_delivery
from dagster_project.curation.sealing import letters_of
from dagster_project.errors import SteerworksError
from dagster_project.generation.forgetting import nobody_asking
from dagster_project.generation.journal import journal_path
from dagster_project.lake import Lake
from dagster_project.settings import Home, Settings
from dagster_project.vendors import freeze_tasks
from dagster_project.withdrawal import withdrawal_of_prompt, withdrawal_of_worker
from dagster_project.withdrawn import Register, Withdrawal
from tests.withdrawal.stores import mentions

TEXT = "Who was the first mayor of Wexelby, and what became of Ottilie Brandt?"
OTHER = "How long does it take to sail from Wexelby to the lighthouse?"


def said(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def withdrawn(home: Home, text: str = TEXT) -> Register:
    """A register that has one prompt."""
    register = Register.of_home(home)
    register.write(Withdrawal(kind="prompt", day="2026-05-04", text_hash=register.text_hash(letters_of(said(text)))))
    return Register.of_home(home)


def as_jsonl(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def as_list(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text(json.dumps(rows))


def as_packed(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode()))


def as_parquet(path: Path, rows: list[dict[str, Any]]) -> None:
    pq.write_table(pa.Table.from_pylist(rows), path)


FORMATS = {"p.jsonl": as_jsonl, "p.json": as_list, "p.jsonl.gz": as_packed, "p.parquet": as_parquet}


@pytest.mark.parametrize("name", FORMATS)
def test_a_delivered_file_of_any_format_loses_the_prompt_and_no_row_its_number(
    lake: Lake, home: Home, tmp_path: Path, name: str
) -> None:
    rows = [{"prompt": OTHER, "page": 7}, {"prompt": TEXT.upper()}, {"prompt": "What is a tide?"}]
    FORMATS[name](tmp_path / name, rows)
    deliver_prompts(home, tmp_path / name, "b", "us", "CC0-1.0")
    take_in_prompts(lake, home, "b")
    before = lake.read("raw_prompts").to_dicts()
    register = withdrawn(home)
    for _ in range(2):
        assert seal_delivery(home, "b", register).withdrawn == 1
    assert deliver_prompts(home, tmp_path / name, "b", "us", "CC0-1.0").withdrawn == 1, "the same bytes change nothing"
    report = take_in_prompts(lake, home, "b")
    after = lake.read("raw_prompts").to_dicts()
    assert (report.rows, report.defects) == (3, {"withdrawn": 1})
    assert [after[0], after[2]] == [before[0], before[2]]
    assert (after[1]["messages"], after[1]["row_number"]) == ([], before[1]["row_number"])
    assert mentions(home.root, [TEXT.upper(), "OTTILIE"]) == {}


def test_a_row_that_could_not_be_read_is_not_kept_when_its_file_is_sealed(
    lake: Lake, home: Home, tmp_path: Path
) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text(f'{{"prompt": "{TEXT}"}}\n{{"prompt": "Ottilie, cut\n\n{{"prompt": 3}}\n{{"prompt": "{OTHER}"}}\n')
    deliver_prompts(home, path, "b", "us", "CC0-1.0")
    seal_delivery(home, "b", withdrawn(home))
    take_in_prompts(lake, home, "b")
    rows = lake.read("raw_prompts").to_dicts()
    assert [row["row_number"] for row in rows] == [1, 2, 4, 5]
    defects = [row["defect"] and row["defect"].partition(":")[0] for row in rows]
    assert defects == ["withdrawn", "not_json", "bad_type", None]
    assert mentions(home.root, ["Ottilie"]) == {}


@given(st.text(), st.text())
def test_prompts_are_known_by_what_their_users_say(one: str, other: str) -> None:
    spoken = [{"role": "user", "content": one}, {"role": "assistant", "content": other}]
    assert letters_of(spoken) == letters_of(said(one))
    if any(sign.isalnum() for sign in one):
        assert letters_of(said(f" {one} ! ")) == letters_of(said(one))


def test_the_register_tells_nobody_what_it_knows(home: Home) -> None:
    register = withdrawn(home)
    assert register.refuses(letters_of(said(f"  {TEXT.lower()} !")))
    assert not register.refuses(letters_of(said(OTHER)))
    assert not Register.of_home(Home(home.root / "other")).refuses(letters_of(said(TEXT)))
    assert mentions(home.root, [TEXT, letters_of(said(TEXT))]) == {}
    modes = {stat.S_IMODE(path.stat().st_mode) & 0o077 for path in home.vault.rglob("*")}
    assert modes == {0}


def test_an_imported_task_about_it_is_named_and_nothing_is_frozen(
    lake: Lake, config: Path, home: Home, tmp_path: Path
) -> None:
    responses = [{"response_id": "r:1", "response": "Nobody knows."}]
    as_jsonl(tmp_path / "t.jsonl", [{"task_id": "t:1", "prompt": TEXT, "responses": responses}])
    campaign = {"vendor": "simulated", "guideline_version": "1", "imported": str(tmp_path / "t.jsonl")}
    (config / "campaigns.yaml").write_text(yaml.safe_dump({"campaigns": {"old": campaign}}))
    withdrawn(home)
    with pytest.raises(SteerworksError, match=r"t\.jsonl, row 1: its prompt was withdrawn by a legal"):
        freeze_tasks(lake, Settings(config, home), "old")
    assert not lake.exists("annotation_tasks", {"campaign": "old"})


@pytest.mark.parametrize(
    ("request_of", "told"),
    [
        (lambda lake, settings: withdrawal_of_prompt(lake, settings, "p-0"), "no prompt in .* has the id `p-0`"),
        (lambda lake, settings: withdrawal_of_worker(lake, settings, "acne", "w"), "there is no vendor `acne`"),
    ],
)
def test_what_is_not_there_is_said(
    lake: Lake, settings: Settings, request_of: Callable[[Lake, Settings], object], told: str
) -> None:
    with pytest.raises(SteerworksError, match=told):
        request_of(lake, settings)


def test_a_journal_that_a_run_works_on_is_named(lake: Lake) -> None:
    journal = journal_path(lake.root, "m", "b")
    journal.parent.mkdir(parents=True)
    journal.write_text("")
    busy = pytest.raises(SteerworksError, match="a run works on model=m")
    with FileLock(journal.with_suffix(".lock")), busy, nobody_asking(lake.root):
        pass
    with nobody_asking(lake.root):
        pass
