"""Personal data is found offline and fast, and does not reach a release."""

from __future__ import annotations

import socket
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from dagster_project.lake import Lake
from dagster_project.releases import build_release
from dagster_project.releases.recognising import SIGNS, Scanner, _counts, _has_sign
from dagster_project.settings import PersonalDataFile, Settings
from tests.releases.release_inputs import Fixture, nothing_unmet, rewrite

pytestmark = pytest.mark.slow

ALL = PersonalDataFile(entities=tuple(SIGNS), min_score=0)
SCANNER = Scanner(ALL)


@pytest.mark.parametrize(
    ("text", "entity"),
    [
        ("Ask jane.doe@acme.com, she knows.", "EMAIL_ADDRESS"),
        ("Call +44 20 7946 0958 now", "PHONE_NUMBER"),
        ("call (415) 552-2671 now", "PHONE_NUMBER"),
        ("card 4242 4242 4242 4242", "CREDIT_CARD"),
        ("to DE89 3704 0044 0532 0130 00", "IBAN_CODE"),
        ("from 8.8.8.8", "IP_ADDRESS"),
        ("from 2001:4860:4860::8888", "IP_ADDRESS"),
        ("ssn 536-90-4399", "US_SSN"),
        ("at 00:1B:44:11:3A:B7", "MAC_ADDRESS"),
        ("pay 16Yeky6GMjeNkAiNcBY7ZhrLoMSgg1BoyZ", "CRYPTO"),
    ],
)
def test_each_entity_is_found_where_it_stands(text: str, entity: str) -> None:
    before = "A line before.\n"
    found = list(Scanner(PersonalDataFile(entities=(entity,))).find(before + text))
    assert [one.entity for one in found] == [entity]
    assert (before + text)[found[0].start : found[0].start + found[0].length] in text
    assert SCANNER.suspicious(pl.Series([before + text])).all()


@pytest.mark.parametrize(
    "text",
    [
        "In 1969, 3 men flew 384,400 km; pi is 3.14159265358979.",
        "Version 1.2.3 at 10:30:15, from 10.0.0.1 and ::1.",
        "Write to me@example.com or call (415) 555-0123.",
        "user@host is no address, and 12-34 no number.",
    ],
)
def test_what_is_nobodys_is_not_found(text: str, settings: Settings) -> None:
    assert Scanner(settings.personal_data).find(text) == []


fragments = st.one_of(
    st.sampled_from(
        ["@", ".", ":", "-", " ", "+", "(", ")", "/", "::", "acme.com", "bc1", "DE89", "GB82WEST", "1A", "x"]
    ),
    st.integers(0, 10**9).map(str),
    st.text("0123456789abcdefABCDEF .:-", max_size=30),
    st.sampled_from(["+14155552671", "4242424242424242", "jane@acme.com", "020 7946 0958", "536-90-4399", "8.8.8.8"]),
)


@hypothesis_settings(max_examples=300)
@given(st.lists(fragments, max_size=8).map("".join), st.sampled_from(sorted(SIGNS)))
def test_no_recogniser_finds_anything_in_a_line_without_its_sign(line: str, entity: Any) -> None:
    results = SCANNER._recognizers[entity].analyze(line, [entity], None)
    counted = [result for result in results if _counts(entity, line[result.start : result.end])]
    if counted:
        assert _has_sign(entity, line)
        assert Scanner(PersonalDataFile(entities=(entity,))).suspicious(pl.Series([line])).all()


def test_nothing_is_asked_of_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("asked the network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert Scanner(PersonalDataFile(entities=("EMAIL_ADDRESS",))).find("jane@acme.co.uk")


def test_a_very_long_line_is_looked_at_whole() -> None:
    text = "word " * 5_000 + "jane@acme.com" + " word" * 5_000
    assert [one.start for one in Scanner(PersonalDataFile(entities=("EMAIL_ADDRESS",))).find(text)] == [25_000]


def test_tasks_with_personal_data_in_any_text_are_left_out_with_the_entity_as_reason(
    small: Fixture, lake: Lake, settings: Settings
) -> None:
    small.write()
    is_two = (pl.col("task_id") == "t-small-05") & (pl.col("position") == 2)
    asked = pl.lit(
        [{"role": "user", "content": "Is +44 20 7946 0958 yours?"}],
        dtype=pl.List(pl.Struct({"role": pl.String, "content": pl.String})),
    )
    tasks = lake.read("annotation_tasks").with_columns(
        response=pl.when(is_two).then(pl.lit("Ask jane.doe@acme.com.")).otherwise("response"),
        messages=pl.when(pl.col("task_id") == "t-small-06").then(asked).otherwise("messages"),
    )
    rewrite(lake, settings, "annotation_tasks", tasks)
    annotations = lake.read("annotations")
    is_said = (pl.col("task_id") == "t-small-07") & (pl.col("annotator") == "w-bela")
    said = (
        pl.when(is_said & pl.col("justification").is_not_null())
        .then(pl.lit("As bela@acme.com says."))
        .otherwise("justification")
    )
    lake.write("annotations", {"campaign": "small"}, annotations.with_columns(justification=said))
    rewrite(lake, settings, "retained_annotations", lake.read("retained_annotations"))
    path = build_release(lake, settings, "v0.1.0", nothing_unmet).path
    rows = pl.read_parquet(path / "provenance" / "tasks.parquet").filter(stage="personal_data")
    assert dict(rows.select("task_id", "reason").rows()) == {
        "t-small-05": "email_address",
        "t-small-06": "phone_number",
        "t-small-07": "email_address",
    }
    kept = lake.read("personal_data").select("task_id", "part", "turn", "annotator", "start", "length").rows()
    assert kept == [
        ("t-small-05", "response", None, None, 4, 17),
        ("t-small-06", "prompt", 1, None, 3, 16),
        ("t-small-07", "justification", None, "w-bela", 3, 13),
    ]
    for file in path.rglob("*.parquet"):
        text = str(pl.read_parquet(file).to_dicts())
        assert "acme.com" not in text
        assert "7946" not in text


def test_texts_are_scanned_once(
    small: Fixture, lake: Lake, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    small.write()
    build_release(lake, settings, "v0.1.0-rc.1", nothing_unmet)
    monkeypatch.setattr(Scanner, "suspicious", None)
    build_release(lake, settings, "v0.1.0-rc.2", nothing_unmet)
