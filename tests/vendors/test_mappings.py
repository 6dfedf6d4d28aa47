"""Deliveries in a vendor's own shape: other columns, scales, words and formats, compressed and mangled."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import openpyxl
import polars as pl
import pytest
import yaml

from dagster_project.lake import Lake
from dagster_project.settings import Home, Settings
from dagster_project.vendors import Merged, TakenIn, merge, take_in
from tests.vendors.vendor_inputs import rating

Tasks = list[dict[str, Any]]
Deliver = Callable[..., Path]
NAMES = ("helpfulness", "correctness", "coherence", "complexity", "verbosity")
FIELDS = {"task_id": "item", "annotator": "who", "submitted_at": "when"}
WHO = {"who": "wanda.worker@example.org", "when": "2026-03-01T14:05:00+01:00"}


@pytest.fixture
def mapped(
    lake: Lake, config: Path, home: Home, first_round: Tasks, deliver: Deliver
) -> Callable[[dict[str, Any], str, Any], TakenIn]:
    """Give acme a mapping, deliver one file, and take it in."""

    def taken(mapping: dict[str, Any], name: str, content: Any, **more: Any) -> TakenIn:
        path = config / "vendors.yaml"
        vendors = yaml.safe_load(path.read_text())
        vendors["vendors"]["acme"] |= {"mapping": mapping} if mapping else {}
        path.write_text(yaml.safe_dump(vendors | more))
        deliver("acme", name, content)
        (report,) = take_in(lake, Settings(config, home), "acme")
        return report

    return taken


def as_csv(rows: list[dict[str, Any]], delimiter: str = ",") -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n", delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def scores(lake: Lake) -> list[list[int | None]]:
    return lake.read("deliveries").sort("row_number")["scores"].to_list()


def rules(lake: Lake) -> list[tuple[int, str]]:
    return list(lake.read("quarantine").sort("row_number").select("source_row", "rule").iter_rows())


def test_scales_words_and_reasons_in_place_of_ratings(
    lake: Lake, first_round: Tasks, mapped: Callable[..., TakenIn]
) -> None:
    """1 to 5 becomes 0 to 4, each attribute by its own scale, and "N/A (reason)" is no rating."""
    mapping = {
        "scale": {"lowest": 1, "highest": 5},
        "words": {"good": 3},
        "fields": FIELDS
        | {name: name[:4] for name in NAMES}
        | {"verbosity": {"path": "verb", "scale": {"lowest": 0, "highest": 8}}}
        | {"coherence": {"path": "cohe", "words": {"clear": 4, "muddled": 1}}},
    }
    good = {"help": 1, "corr": "N/A (not a question)", "cohe": "Muddled", "comp": "5", "verb": 6}
    rows = [
        {"item": first_round[0]["task_id"], **WHO, **good},
        {"item": first_round[1]["task_id"], **WHO, **good, "help": "Good", "verb": 3},
        {"item": first_round[2]["task_id"], **WHO, **good, "help": 6},
        {"item": first_round[3]["task_id"], **WHO, **good, "help": "splendid"},
    ]
    assert mapped(mapping, "a.jsonl", rows).accepted == 1
    assert scores(lake) == [[0, None, 1, 4, 3]]
    assert rules(lake) == [(2, "between_steps"), (3, "out_of_scale"), (4, "bad_type")]


SESSIONS = {
    "fields": FIELDS | {"preference": {"path": "better", "words": {"A": -2, "B": 2, "tie": None}}},
    "responses": [{name: f"a_{name}" for name in NAMES}, {name: f"b_{name}" for name in NAMES}],
}


def session(task: dict[str, Any], **changes: Any) -> dict[str, Any]:
    sides = {f"{side}_{name}": number for number, side in enumerate("ab", start=1) for name in NAMES}
    return {"item": task["task_id"], **WHO, "better": "B", **sides, **changes}


FILES: dict[str, Callable[[list[dict[str, Any]]], bytes]] = {
    "a.jsonl": lambda rows: "".join(json.dumps(row) + "\n" for row in rows).encode(),
    "list.json": lambda rows: json.dumps(rows, indent=1).encode(),
    "a.csv": lambda rows: as_csv(rows).encode(),
    "excel.csv": lambda rows: ("sep=;\n" + as_csv(rows, ";")).replace("\n", "\r\n").encode("utf-16"),
    "tabs.tsv": lambda rows: b"\xef\xbb\xbf" + as_csv(rows, "\t").encode(),
    "a.csv.gz": lambda rows: gzip.compress(as_csv(rows).encode()),
    "a.zip": lambda rows: zipped({"../../escape.csv": as_csv(rows).encode(), "__MACOSX/._escape.csv": b"\0"}),
    "a.parquet": lambda rows: as_parquet(rows),
    "a.xlsx": lambda rows: as_workbook(rows),
}


def zipped(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


def as_parquet(rows: list[dict[str, Any]]) -> bytes:
    file = io.BytesIO()
    pl.DataFrame(rows).write_parquet(file)
    return file.getvalue()


def as_workbook(rows: list[dict[str, Any]], title: str = "=cmd|' /C calc'!A0") -> bytes:
    book, file = openpyxl.Workbook(), io.BytesIO()
    sheet = book.active
    sheet.title = title.replace("/", "").replace("!", "")[:31].replace("'", "")
    sheet.append(list(rows[0]))
    for row in rows:
        sheet.append([float(cell) if isinstance(cell, int) else cell for cell in row.values()])
    book.save(file)
    return file.getvalue()


@pytest.mark.parametrize("name", FILES)
def test_both_sides_of_a_session_in_one_row_of_any_format(
    lake: Lake, home: Home, first_round: Tasks, mapped: Callable[..., TakenIn], name: str
) -> None:
    rows = [session(first_round[0]), session(first_round[1], better="tie", a_helpfulness=9)]
    report = mapped(SESSIONS, name, FILES[name](rows))
    assert (report.accepted, report.quarantined) == (3, 1)
    assert rules(lake) == [(2, "out_of_scale")]
    found = lake.read("deliveries").sort("row_number")
    assert found["row_number"].to_list() == [1, 2, 4]
    assert found["scores"].to_list() == [[1] * 5, [2] * 5, [2] * 5]
    assert found["preference"].to_list() == [2, 2, None]
    assert found["response_id"].to_list()[:2] == [response["response_id"] for response in first_round[0]["responses"]]
    assert not list(home.root.rglob("*escape*"))
    assert {path.suffix for path in (home.vault / "deliveries" / "acme").iterdir()} == {Path(name).suffix}


def test_the_annotators_of_a_task_in_a_nested_list(
    lake: Lake, first_round: Tasks, mapped: Callable[..., TakenIn]
) -> None:
    """A hundred and fifty annotators of one response, two of them with the same numbers throughout."""
    mapping = {
        "each": "meta.ratings",
        "fields": {"task_id": "meta.item", "annotator": {"template": "{meta.set}-{meta.ratings.by}"}}
        | {"submitted_at": {"value": "2026-01-01T00:00:00Z"}, "position": {"value": 2}}
        | {name: f"meta.ratings.scores.{index}" for index, name in enumerate(NAMES)},
    }
    ratings = [{"by": number, "scores": [number % 5, 1, 2, 3, number % 3]} for number in range(148)]
    twins = [{"by": f"twin {name}", "scores": [4, 3, 2, 1, 0]} for name in "ab"]
    row = {"meta": {"item": first_round[0]["task_id"], "set": "x", "ratings": ratings + twins}}
    assert mapped(mapping, "a.jsonl", [row, {"meta": {"ratings": 3}}]).accepted == 150
    assert rules(lake) == [(2, "no_list")]
    assert merge(lake, "first") == Merged(used=150, quarantined=1)
    assert lake.read("annotations")["annotator"].n_unique() == 150


def test_one_row_a_rating_in_any_order(lake: Lake, first_round: Tasks, mapped: Callable[..., TakenIn]) -> None:
    mapping = {
        "fields": FIELDS | {"position": "side"},
        "long": {"attribute": "what", "rating": "score", "names": {"Overall": "helpfulness"}},
        "timezone": "Europe/Berlin",
        "time_format": "%d.%m.%Y %H:%M",
    }
    rows = [
        {"item": task["task_id"], "who": who, "when": "01.03.2026 14:05", "side": 1, "what": what, "score": place}
        for place, what in enumerate(("Overall", *NAMES[1:]))
        for task in first_round[:2]
        for who in ("w-1", "w-2")
    ]
    rows.append(rows[0] | {"score": 4})
    assert mapped(mapping, "a.csv", as_csv(rows)).accepted == 3
    assert scores(lake) == [[0, 1, 2, 3, 4]] * 3
    assert [rule for _, rule in rules(lake)] == ["said_twice"]
    assert set(lake.read("deliveries")["submitted_at"]) == {datetime(2026, 3, 1, 13, 5, tzinfo=UTC)}


def test_columns_of_the_same_name_are_told_apart_by_number(
    lake: Lake, first_round: Tasks, mapped: Callable[..., TakenIn]
) -> None:
    head = "item,who,when,score,score,score,score,score\n"
    line = f'{first_round[0]["task_id"]},w-1,2026-03-01T14:05:00Z,1,2,3,4,"0,0"\n'
    fields = FIELDS | {name: f"score[{place}]" for place, name in enumerate(NAMES, start=1)}
    assert mapped({"fields": fields}, "a.csv", head + line).accepted == 1
    assert scores(lake) == [[1, 2, 3, 4, 0]]


def test_numbers_that_excel_rounded_are_no_workers(first_round: Tasks, mapped: Callable[..., TakenIn]) -> None:
    rows = [rating(task, flags="", annotator="1.23457E+15") for task in first_round[:2]]
    assert mapped({}, "a.csv", as_csv(rows)).rules == {"bad_type": 2}


BOMBS = {
    "zeros.csv.gz": lambda: gzip.compress(b"0" * (70 << 20), 9),
    "zeros.zip": lambda: zipped({"zeros.csv": b"0" * (70 << 20)}),
    "book.xlsx": lambda: zipped({"xl/workbook.xml": b"0" * (70 << 20)}),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused(home: Home, mapped: Callable[..., TakenIn], name: str) -> None:
    assert mapped({}, name, BOMBS[name]()).rules == {"too_large_unpacked": 1}
    assert len(list((home.vault / "deliveries" / "acme").iterdir())) == 1


def test_an_archive_larger_than_allowed_or_of_two_files_is_refused(mapped: Callable[..., TakenIn]) -> None:
    assert mapped({}, "a.zip", zipped({"a.csv": b"1", "b.csv": b"2"})).rules == {"not_one_file": 1}
    big = mapped({}, "a.gz", gzip.compress(bytes(range(32, 127)) * 50), max_unpacked_gb=1e-6)
    assert big.rules == {"too_large_unpacked": 1}


def test_an_archive_that_breaks_off_gives_its_whole_rows(first_round: Tasks, mapped: Callable[..., TakenIn]) -> None:
    rows = [rating(task, justification=str(hash(task["task_id"]))) for task in first_round]
    packed = gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode())
    report = mapped({}, "a.jsonl.gz", packed[:-20])
    assert report.accepted >= 5
    assert report.rules["cut_row"] >= 1


def test_a_quarantined_row_is_shown_without_names(
    lake: Lake, first_round: Tasks, mapped: Callable[..., TakenIn]
) -> None:
    mapped({}, "a.jsonl", [rating(first_round[0], helpfulness=9, verbosity="Wanda W.", zoe=1)])
    shown = json.loads(lake.read("quarantine")["text"].item())
    assert (shown["task_id"], shown["helpfulness"], shown["verbosity"]) == (
        first_round[0]["task_id"],
        9,
        "‹8 characters›",
    )
    assert shown["annotator"] == "‹24 characters›"
    assert "zoe" not in shown


def test_public_sets_come_through_as_they_are(
    lake: Lake, config: Path, home: Home, deliver: Deliver, shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ratings in a nested list, and three columns of named annotators: no line of code for either."""
    monkeypatch.setenv("STEERWORKS_PSEUDONYM_KEY", "k")
    likert = [json.loads(line) for line in (shared_data / "likert" / "summeval_op.jsonl").open()]
    pairs = [json.loads(line) for line in (shared_data / "pairwise" / "pandalm.jsonl").open()]
    names = list(likert[0]["ratings"][0]["scores"])
    ever = {"value": "2024-01-01T00:00:00Z"}
    mappings = {
        "likert": {
            "each": "ratings",
            "fields": {"task_id": "item_id", "annotator": "ratings.annotator", "submitted_at": ever}
            | {name: f"ratings.scores.{name}" for name in names},
        },
        "pairs": {
            "fields": {"task_id": {"template": "pair:{idx}"}, "submitted_at": ever},
            "annotators": [
                {
                    "annotator": {"value": f"annotator{n}"},
                    "preference": {"path": f"annotator{n}", "words": {"1": -1, "2": 1, "0": None}},
                }
                for n in (1, 2, 3)
            ],
            "responses": [{}, {}],
        },
    }
    tasks = {
        "likert": [(row["item_id"], [row["response"]]) for row in likert],
        "pairs": [(f"pair:{row['idx']}", [row["response1"], row["response2"]]) for row in pairs],
    }
    for slug, attributes in {"likert": names, "pairs": ["quality"]}.items():
        lines = [
            {"task_id": task, "prompt": "?", "responses": answers}
            for task, texts in tasks[slug]
            for answers in [[{"response_id": f"{task}.{n}", "response": str(text)} for n, text in enumerate(texts)]]
        ]
        (home.root.parent / f"{slug}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        rubric = {"name": slug, "version": "1", "scale": {"lowest": 1, "highest": 5}}
        rubric["attributes"] = [{"name": n, "description": n, "decides": True} for n in attributes]
        (config / f"{slug}.yaml").write_text(yaml.safe_dump(rubric))
    vendors = {slug: {"licence": "MIT", "slots": "fixed", "mapping": mapping} for slug, mapping in mappings.items()}
    campaigns = {
        slug: {"vendor": slug, "guideline_version": "1", "rubric": f"{slug}.yaml"}
        | {"imported": str(home.root.parent / f"{slug}.jsonl")}
        for slug in mappings
    }
    (config / "vendors.yaml").write_text(yaml.safe_dump({"vendors": vendors, "settle_seconds": 0}))
    (config / "campaigns.yaml").write_text(yaml.safe_dump({"campaigns": campaigns}))
    settings = Settings(config, home)
    from dagster_project.vendors import freeze_tasks

    for slug, rows in {"likert": likert, "pairs": pairs}.items():
        freeze_tasks(lake, settings, slug)
        deliver(slug, "public.jsonl", rows)
        take_in(lake, settings, slug)
    assert merge(lake, "likert") == Merged(used=3 * 416)
    assert merge(lake, "pairs") == Merged(used=2 * 3 * 999)
    assert lake.read("annotations", {"campaign": "pairs"})["preference"].null_count() == 2 * sum(
        row[f"annotator{n}"] == 0 for row in pairs for n in (1, 2, 3)
    )
