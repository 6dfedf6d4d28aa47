"""Deliveries in: good rows come through, bad ones are told why, and nothing counts twice."""

from __future__ import annotations

import csv
import io
import json
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from dagster_project.errors import SteerworksError
from dagster_project.lake import Lake
from dagster_project.settings import Home, Settings
from dagster_project.vendors import Pseudonyms, TakenIn, close, export_round, freeze_tasks, pending, take_in
from tests.vendors.vendor_inputs import exported_tasks, rating

Tasks = list[dict[str, Any]]
Deliver = Callable[..., Path]


def as_csv(rows: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({**row, "flags": ";".join(row["flags"])} for row in rows)
    return text.getvalue()


@pytest.fixture
def take(lake: Lake, settings: Settings, first_round: Tasks, deliver: Deliver) -> Callable[..., TakenIn]:
    """Deliver one file for acme, and take it in."""

    def taken(content: Any, name: str = "one.jsonl") -> TakenIn:
        deliver("acme", name, content)
        (report,) = take_in(lake, settings, "acme")
        return report

    return taken


def quarantined(lake: Lake, campaign: str = "first") -> dict[int, tuple[str, str]]:
    rows = lake.read("quarantine", {"campaign": campaign}).sort("row_number").to_dicts()
    return {row["row_number"]: (row["rule"], row["message"]) for row in rows}


def test_a_row_arrives_in_the_canonical_shape(
    lake: Lake, settings: Settings, first_round: Tasks, take: Callable[..., TakenIn]
) -> None:
    report = take([rating(first_round[0], 1, flags=["needs_code", "not_english"], coherence=None, seconds=41.5)])
    assert (report.accepted, report.quarantined, report.campaigns) == (1, 0, ("first",))
    (row,) = lake.read("deliveries", {"campaign": "first"}).to_dicts()
    assert row["scores"] == [3, 3, None, 1, 2]
    assert row["flags"] == ["not_english", "needs_code"]
    assert row["annotator"] == Pseudonyms.of_vendor(settings, "acme").pseudonym("wanda.worker@example.org")
    assert row["submitted_at"] == datetime(2026, 3, 1, 13, 5, tzinfo=UTC)
    assert (row["preference"], row["revision"], row["round"], row["withdrawn"]) == (-2, 1, 1, False)
    assert (row["guideline_version"], row["seconds"], row["simulated"]) == ("2.0", 41.5, False)


def test_the_same_rows_as_csv_and_as_jsonl_are_the_same(
    lake: Lake, first_round: Tasks, take: Callable[..., TakenIn]
) -> None:
    rows = [
        rating(first_round[0], helpfulness=None, justification='He said: "no",\nand left.', withdrawn=True),
        rating(first_round[1], flags=["needs_code"], preference=None, annotator="Zoë"),
    ]
    take(rows)
    take(as_csv(rows), "two.csv")
    same = lake.read("deliveries", {"campaign": "first"}).drop("delivery_id")
    assert same.filter(same.is_duplicated()).height == same.height == 4


def test_numbers_as_spreadsheets_write_them_are_read(
    lake: Lake, first_round: Tasks, take: Callable[..., TakenIn]
) -> None:
    text = "\ufeff" + as_csv([rating(first_round[0], helpfulness="3.0", correctness=" 2 ", preference="-2.0")])
    assert take(text.replace("\n", "\r\n"), "sheet.CSV").accepted == 1
    assert lake.read("deliveries")["scores"].to_list() == [[3, 2, 4, 1, 2]]


BAD_ROWS = {
    "unknown_task": ({"task_id": "t-none"}, "copy it from the exported round"),
    "unknown_response": ({"response_id": "r-none"}, "names no response of this task"),
    "missing_field": ({"annotator": ""}, "`annotator` is missing or empty"),
    "missing_field ": ({"coherence": "absent"}, "there is no `coherence`: give a rating, or leave it empty."),
    "bad_type": ({"helpfulness": "high"}, "`helpfulness` must be a whole number, or empty."),
    "bad_type ": ({"helpfulness": 2.5}, "`helpfulness` must be a whole number"),
    "bad_type  ": ({"helpfulness": True}, "`helpfulness` must be a whole number"),
    "bad_type   ": ({"revision": 0}, "`revision` must be a whole number from 1."),
    "bad_type    ": ({"seconds": -1}, "`seconds` must be the time spent"),
    "bad_type     ": ({"flags": 3}, "`flags` must be a list"),
    "out_of_scale": ({"helpfulness": 5}, "`helpfulness` must be from 0 to 4, or empty."),
    "unknown_flag": ({"flags": ["rude"]}, "`flags` may only hold: personal_data, not_english"),
    "bad_preference": ({"preference": 0}, "`preference` must be -3, -2, -1, 1, 2 or 3, or empty; never 0."),
    "bad_preference ": ({"preference": 4}, "never 0"),
    "bad_time": ({"submitted_at": "2026-03-01T14:05:00"}, "with its offset, such as 2026-03-01T14:05:00+00:00"),
    "bad_time ": ({"submitted_at": 1772373900}, "ISO 8601"),
    "bad_time  ": ({"submitted_at": "yesterday"}, "ISO 8601"),
    "bad_time   ": ({"submitted_at": "0001-01-01T00:00:00+14:00"}, "ISO 8601"),
}


@pytest.mark.parametrize("case", BAD_ROWS)
def test_a_bad_row_is_quarantined_with_its_rule_and_what_to_do(
    lake: Lake, first_round: Tasks, take: Callable[..., TakenIn], case: str
) -> None:
    changes, words = BAD_ROWS[case]
    report = take([rating(first_round[0]), rating(first_round[1], **changes), rating(first_round[2])])
    assert (report.accepted, report.rules) == (2, {case.strip(): 1})
    ((number, (rule, message)),) = quarantined(lake).items()
    assert (number, rule) == (2, case.strip())
    assert words in message


def test_a_row_tells_all_that_is_wrong_with_it(lake: Lake, first_round: Tasks, take: Callable[..., TakenIn]) -> None:
    take([rating(first_round[0], helpfulness=9, verbosity="x", response_id="r-none")])
    rule, message = quarantined(lake)[1]
    assert rule == "out_of_scale"
    assert all(word in message for word in ("`helpfulness`", "`verbosity`", "`response_id`"))


def test_attributes_may_be_absent_from_flagged_and_withdrawn_rows(
    lake: Lake, first_round: Tasks, take: Callable[..., TakenIn]
) -> None:
    bare = dict.fromkeys(("helpfulness", "correctness", "coherence", "complexity", "verbosity"), "absent")
    rows = [rating(first_round[0], flags=["needs_code"], **bare), rating(first_round[1], withdrawn=True, **bare)]
    assert take(rows).accepted == 2


def test_lines_that_are_no_objects_are_quarantined_alone(
    lake: Lake, first_round: Tasks, take: Callable[..., TakenIn]
) -> None:
    good = json.dumps(rating(first_round[0]))
    twice = good.replace('"helpfulness": 3', '"helpfulness": 3, "helpfulness": 1')
    report = take(f'{good}\n\n{{oops\n[1]\n{twice}\n{{"annotator": "\\ud800"}}\n{{"seconds": NaN}}\n')
    assert report.accepted == 1
    rules = {number: rule for number, (rule, _) in quarantined(lake).items()}
    assert rules == {3: "not_json", 4: "not_an_object", 5: "not_json", 6: "not_json", 7: "not_json"}


@pytest.mark.parametrize(("name", "render"), [("a.jsonl", None), ("a.csv", as_csv)])
def test_a_half_written_file_gives_its_whole_rows(
    lake: Lake, first_round: Tasks, take: Callable[..., TakenIn], name: str, render: Any
) -> None:
    rows = [rating(task) for task in first_round[:3]]
    text = render(rows) if render else "".join(json.dumps(row) + "\n" for row in rows)
    report = take(text[:-1] if render else text[:-5], name)
    assert (report.accepted, report.rules) == (2, {"cut_row": 1})
    assert "deliver the whole file again" in quarantined(lake)[3][1]
    assert take(text, name).accepted == 3


WHOLE_FILES = {
    "wrong_encoding": ("a.jsonl", "grün\n".encode("latin-1"), "not UTF-8 at byte 2 (from 0)"),
    "missing_columns": (
        "a.csv",
        b"task_id,annotator,helpfulness\n1,2,3\n",
        "lacks `response_id`, `submitted_at`, `corr",
    ),
    "repeated_columns": (
        "a.csv",
        b"task_id,response_id,annotator,submitted_at,helpfulness,correctness,coherence,complexity,verbosity,verbosity\n",
        "has `verbosity` more than once",
    ),
    "empty_file": ("a.jsonl", b"", "the file holds no row"),
    "empty_file ": ("a.csv", b"", "the file holds no row"),
    "empty_file  ": ("a.jsonl", b"\xef\xbb\xbf\n\n", "the file holds no row"),
    "empty_file   ": (
        "a.csv",
        b"task_id,response_id,annotator,submitted_at,helpfulness,correctness,coherence,complexity,verbosity",
        "the file holds no row",
    ),
    "unknown_format": ("a.pdf", b"%PDF-1.7\xff\xfe", "none of JSON Lines, JSON, CSV, Parquet and Excel"),
    "broken_archive": ("a.xlsx", b"PK\x03\x04\xff", "the archive is damaged"),
}


@pytest.mark.parametrize("case", WHOLE_FILES)
def test_a_file_that_cannot_be_read_is_one_quarantined_row(lake: Lake, take: Callable[..., TakenIn], case: str) -> None:
    name, content, words = WHOLE_FILES[case]
    report = take(content, name)
    assert (report.accepted, report.rules, report.campaigns) == (0, {case.strip(): 1}, ("first",))
    assert words in quarantined(lake)[1][1]
    assert lake.read("intake")["file_rows"].to_list() == [1]


def test_the_byte_of_a_wrong_encoding_is_found_behind_the_first_megabyte(
    lake: Lake, take: Callable[..., TakenIn]
) -> None:
    text = "x" * ((1 << 20) - 1)
    take(text.encode() + "é".encode() + b"\xe9x", "a.csv")
    assert f"at byte {(1 << 20) + 1} " in quarantined(lake)[1][1]


def test_csv_rows_of_another_width_or_with_stray_quotes_are_quarantined_alone(
    lake: Lake, first_round: Tasks, take: Callable[..., TakenIn]
) -> None:
    header, *lines = as_csv([rating(task) for task in first_round[:2]]).splitlines()
    short = ",".join(lines[0].split(",")[:-2])
    stray = lines[0].replace(",The first", ',"The" first')
    report = take("\n".join([header, lines[0], short, f"{lines[0]},more", stray, lines[1], ""]), "a.csv")
    assert report.accepted == 2
    assert {number: rule for number, (rule, _) in quarantined(lake).items()} == {
        2: "wrong_width",
        3: "wrong_width",
        4: "not_csv",
    }


def test_a_quote_that_is_never_closed_costs_its_own_line_alone(
    lake: Lake, first_round: Tasks, take: Callable[..., TakenIn]
) -> None:
    header, *lines = as_csv([rating(task, justification='Says "no".') for task in first_round]).splitlines()
    lines[3] = lines[3].replace('"Says ""no""."', '"Says no.')
    lines[7] = lines[7].replace('"Says ""no""."', '"Says no.')
    report = take("\n".join([header, *lines, ""]), "a.csv")
    assert (report.accepted, report.rules) == (8, {"not_csv": 2})
    assert list(quarantined(lake)) == [4, 8]


@pytest.mark.parametrize("render", [as_csv, lambda rows: json.dumps(rows[0]) + "\n"])
def test_a_text_whose_name_does_not_tell_its_format_is_known_by_its_content(
    first_round: Tasks, take: Callable[..., TakenIn], render: Any
) -> None:
    assert take(render([rating(first_round[0])]), "ratings.txt").accepted == 1


def test_fields_that_no_rule_knows_are_reported_once_for_the_file(
    first_round: Tasks, take: Callable[..., TakenIn]
) -> None:
    report = take([rating(task, revison=2) for task in first_round])
    assert (report.accepted, report.ignored_fields) == (10, ("revison",))


def test_a_file_delivered_again_is_a_duplicate(
    lake: Lake, first_round: Tasks, take: Callable[..., TakenIn], home: Home
) -> None:
    rows = [rating(first_round[0]), rating(first_round[0], task_id="t-none")]
    first, second = take(rows), take(rows, "renamed.jsonl")
    assert (first.duplicate, second.duplicate, second.rows) == (False, True, 0)
    assert (lake.rows("intake"), lake.rows("deliveries"), lake.rows("quarantine")) == (1, 1, 1)
    assert not list((home.inbox / "acme").iterdir())


def test_raw_files_are_kept_private_in_the_vault(first_round: Tasks, take: Callable[..., TakenIn], home: Home) -> None:
    report = take([rating(first_round[0])])
    (raw,) = (home.vault / "deliveries" / "acme").iterdir()
    assert raw.name == f"{report.delivery_id}.jsonl"
    assert raw.stat().st_mode & 0o777 == 0o600
    assert json.loads(raw.read_text()) == rating(first_round[0])


def test_one_file_may_serve_several_campaigns(
    lake: Lake, settings: Settings, first_round: Tasks, take: Callable[..., TakenIn]
) -> None:
    freeze_tasks(lake, settings, "second")
    second_round = exported_tasks(export_round(lake, settings, "second", 1))
    rows = [rating(first_round[0], task_id="t-none"), rating(second_round[0]), rating(first_round[0])]
    report = take([*rows, rating(second_round[1], helpfulness=9)])
    assert report.campaigns == ("first", "second")
    receipts = {row["campaign"]: row for row in lake.read("intake").to_dicts()}
    assert [(receipts[slug]["rows"], receipts[slug]["accepted"]) for slug in ("first", "second")] == [(1, 1), (3, 1)]
    assert {row["file_rows"] for row in receipts.values()} == {4}
    assert {number: rule for number, (rule, _) in quarantined(lake, "second").items()} == {
        1: "unknown_task",
        4: "out_of_scale",
    }


def test_rows_for_a_closed_campaign_are_quarantined(
    lake: Lake, settings: Settings, first_round: Tasks, take: Callable[..., TakenIn]
) -> None:
    close(lake, settings, "first")
    assert take([rating(first_round[0])]).rules == {"campaign_closed": 1}
    assert take("not json\n", "other.jsonl").campaigns == ("second",)


def test_a_human_vendors_simulated_row_is_kept_as_simulated(
    lake: Lake, first_round: Tasks, take: Callable[..., TakenIn]
) -> None:
    take([rating(first_round[0], simulated=True), rating(first_round[1])])
    assert lake.read("deliveries").sort("row_number")["simulated"].to_list() == [True, False]


def test_a_simulated_vendor_must_say_so_in_every_row(
    lake: Lake, settings: Settings, answered: Tasks, at_once: None, deliver: Deliver
) -> None:
    freeze_tasks(lake, settings, "starter")
    tasks = exported_tasks(export_round(lake, settings, "starter", 1))
    deliver("simulated", "a.jsonl", [rating(tasks[0], simulated=True), rating(tasks[1])])
    (report,) = take_in(lake, settings, "simulated")
    assert (report.accepted, report.rules) == (1, {"not_simulated": 1})


def test_files_that_may_still_grow_are_left_alone(
    lake: Lake, config: Path, home: Home, first_round: Tasks, deliver: Deliver
) -> None:
    vendors = config / "vendors.yaml"
    vendors.write_text(vendors.read_text().replace("settle_seconds: 0", "settle_seconds: 30"))
    settings = Settings(config, home)
    names = ("fresh.jsonl", "old.jsonl", "ahead.jsonl", ".hidden.jsonl", "a.jsonl.tmp", "a.part", "a.jsonl.partial")
    for name in names:
        path = deliver("acme", name, [rating(first_round[0])])
        age = {"fresh.jsonl": 0, "ahead.jsonl": -3600}.get(name, 3600)
        os.utime(path, (time.time() - age,) * 2)
    (home.inbox / "acme" / "link.jsonl").symlink_to(path)
    (home.inbox / "acme" / "folder").mkdir()
    assert [path.name for path in pending(home, settings.vendors, "acme")] == ["ahead.jsonl", "old.jsonl"]
    assert len(take_in(lake, settings, "acme")) == 2
    assert (home.inbox / "acme" / "fresh.jsonl").exists()


def test_an_empty_inbox_is_no_error(lake: Lake, settings: Settings, acme: str, home: Home) -> None:
    assert take_in(lake, settings, "acme") == []
    assert pending(home, settings.vendors, "acme") == []


def test_a_vendor_that_is_not_configured_is_an_error(lake: Lake, settings: Settings, acme: str, config: Path) -> None:
    with pytest.raises(SteerworksError, match="there is no vendor `acne`"):
        take_in(lake, settings, "acne")
    (config / "campaigns.yaml").write_text("campaigns: {}\n")
    with pytest.raises(SteerworksError, match="vendor `acme` has no campaign"):
        take_in(lake, Settings(config, settings.home), "acme")


@pytest.mark.slow
@hypothesis_settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), name=st.sampled_from(["a.jsonl", "a.csv"]))
def test_whatever_arrives_is_taken_in_and_accounted_for(
    lake: Lake, settings: Settings, first_round: Tasks, deliver: Deliver, data: st.DataObject, name: str
) -> None:
    """Random bytes in the middle of a good file never break the intake, and every row has a fate."""
    rows = [rating(task) for task in first_round[:3]]
    good = (as_csv(rows) if name == "a.csv" else "".join(json.dumps(row) + "\n" for row in rows)).encode()
    start = data.draw(st.integers(0, len(good)))
    end = data.draw(st.integers(start, min(len(good), start + 40)))
    noise = data.draw(st.one_of(st.binary(max_size=12), st.text(max_size=12).map(lambda text: text.encode())))
    deliver("acme", name, good[:start] + noise + good[end:])
    (report,) = take_in(lake, settings, "acme")
    if not report.duplicate:
        parts = [part for part in lake.parts("intake") if part.stem == report.delivery_id]
        assert len(parts) == 1
        assert report.rows > 0
