"""Files as public annotation sets have them, with their defects, through a mapping alone."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from dagster_project.errors import SteerworksError
from dagster_project.lake import Lake
from dagster_project.quality import judge_annotators
from dagster_project.settings import Home, Settings
from dagster_project.vendors import Merged, TakenIn, export_round, freeze_tasks, merge, take_in

EVER = {"value": "2024-01-01T00:00:00Z"}
Taken = Callable[..., TakenIn]


@pytest.fixture
def through(
    lake: Lake, config: Path, home: Home, deliver: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> Taken:
    """Set up a rubric, a campaign of imported responses and a vendor with a mapping; deliver a file; take it in."""
    monkeypatch.setenv("STEERWORKS_PSEUDONYM_KEY", "k")

    def taken(
        mapping: dict[str, Any],
        name: str,
        content: Any,
        tasks: dict[str, int],
        attributes: tuple[str, ...] = ("quality",),
        scale: tuple[int, int] = (1, 5),
    ) -> TakenIn:
        rubric = {"name": "set", "version": "1", "scale": {"lowest": scale[0], "highest": scale[1]}}
        rubric["attributes"] = [{"name": one, "description": one, "decides": True} for one in attributes]
        (config / "set.yaml").write_text(yaml.safe_dump(rubric))
        lines = [
            {"task_id": task, "prompt": "?"}
            | {"responses": [{"response_id": f"{task}.{n}", "response": f"{n}"} for n in range(1, responses + 1)]}
            for task, responses in tasks.items()
        ]
        imported = home.root.parent / "tasks.jsonl"
        imported.write_text("".join(json.dumps(line) + "\n" for line in lines))
        vendors = {"crowd": {"licence": "MIT", "mapping": mapping}}
        campaign = {"vendor": "crowd", "guideline_version": "1", "rubric": "set.yaml", "imported": str(imported)}
        (config / "vendors.yaml").write_text(yaml.safe_dump({"vendors": vendors, "settle_seconds": 0}))
        (config / "campaigns.yaml").write_text(yaml.safe_dump({"campaigns": {"set": campaign}}))
        settings = Settings(config, home)
        freeze_tasks(lake, settings, "set")
        export_round(lake, settings, "set", 1)
        deliver("crowd", name, content)
        (report,) = take_in(lake, settings, "crowd")
        return report

    return taken


def table(rows: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def as_parquet(rows: list[dict[str, Any]]) -> bytes:
    file = io.BytesIO()
    pl.DataFrame(rows).write_parquet(file)
    return file.getvalue()


def scores(lake: Lake) -> list[list[int | None]]:
    return lake.read("deliveries").sort("row_number")["scores"].to_list()


def why(lake: Lake) -> dict[int, tuple[str, str]]:
    rows = lake.read("quarantine").sort("row_number").to_dicts()
    return {row["source_row"]: (row["rule"], row["message"]) for row in rows}


def test_mixed_scales_and_strings_among_the_numbers(lake: Lake, through: Taken) -> None:
    """A column of 1 to 5, one of percent, one of yes and no; and what people type into them."""
    mapping = {
        "fields": {"task_id": "id", "annotator": "rater", "submitted_at": EVER, "response_id": {"template": "{id}.1"}}
        | {"fluency": {"path": "fluency (1-5)", "words": {"five": 5, "4 - good": 4}}}
        | {"accuracy": {"path": "accuracy %", "scale": {"lowest": 0, "highest": 100}}}
        | {"useful": {"path": "useful?", "words": {"yes": 5, "y": 5, "no": 1, "unsure": None}}},
        "missing": ["N/A", "-", "?"],
    }
    cells = [
        ("3", "75", "yes"),
        ("five", "100.0", "Y"),
        ("4 - good", "0", "unsure"),
        ("n/a (no text)", "-", "No"),
        ("3,0", "50", "no"),
        ("3.5", "75", "no"),
        ("3", "60", "no"),
        ("3", "750", "no"),
        ("very fluent", "75", "perhaps"),
    ]
    names = ("fluency (1-5)", "accuracy %", "useful?")
    rows = [{"id": "t1", "rater": f"w{n}", **dict(zip(names, row, strict=True))} for n, row in enumerate(cells)]
    report = through(mapping, "mixed.csv", table(rows), {"t1": 1}, ("fluency", "accuracy", "useful"))
    assert (report.accepted, report.quarantined) == (5, 4)
    assert scores(lake) == [[3, 4, 5], [5, 5, 5], [4, 1, None], [None, None, 1], [3, 3, 1]]
    told = why(lake)
    assert {row: rule for row, (rule, _) in told.items()} == {
        6: "bad_type",
        7: "between_steps",
        8: "out_of_scale",
        9: "bad_type",
    }
    assert "`accuracy` lies between two steps" in told[7][1]
    assert "`accuracy` must be from 0 to 100" in told[8][1]
    assert all(f"`{name}`" in told[9][1] for name in ("fluency", "useful"))


def test_two_annotators_with_identical_columns_are_found(lake: Lake, config: Path, home: Home, through: Taken) -> None:
    """One row an item, a column for each of four raters; the second column is a copy of the first."""
    mapping = {
        "fields": {"task_id": "item", "submitted_at": EVER, "response_id": {"template": "{item}.1"}},
        "annotators": [{"annotator": {"value": f"rater {n}"}, "quality": f"r{n}"} for n in (1, 2, 3, 4)],
    }
    marks = [(n * 7 + n // 3) % 5 + 1 for n in range(40)]
    rows = [
        {"item": f"i{n}", "r1": x, "r2": x, "r3": (x + n) % 5 + 1, "r4": (x * 2 + n // 2) % 5 + 1}
        for n, x in enumerate(marks)
    ]
    assert through(mapping, "wide.csv", table(rows), {f"i{n}": 1 for n in range(40)}).accepted == 160
    assert merge(lake, "set") == Merged(used=160)
    policy = yaml.safe_load((config / "agreement.yaml").read_text())
    policy.setdefault("trust", {}).update(max_bias=None, max_deviation=None)
    (config / "agreement.yaml").write_text(yaml.safe_dump(policy))
    judge_annotators(lake, Settings(config, home), "set")
    found = lake.read("annotator_quality")
    assert sorted(found["rule"].to_list(), key=str) == [None, None, "identical", "identical"]
    assert found.filter(found["rule"] == "identical")["identical"].to_list() == [1.0, 1.0]


def test_of_many_annotators_columns_only_those_who_rated_count(lake: Lake, through: Taken) -> None:
    """120 columns, of which three are filled in each row, and none in the last."""
    mapping = {
        "fields": {"task_id": "item", "submitted_at": EVER, "response_id": {"template": "{item}.1"}},
        "annotators": [{"annotator": {"value": f"rater {n}"}, "quality": f"r{n}"} for n in range(120)],
    }
    rows = [{"item": f"i{i}", **{f"r{n}": 3 if n // 3 == i else "" for n in range(120)}} for i in range(40)]
    rows.append({"item": "i40", **{f"r{n}": "N/A" for n in range(120)}})
    report = through(mapping, "sparse.csv", table(rows), {f"i{i}": 1 for i in range(41)})
    assert (report.accepted, report.rules) == (120, {"not_annotated": 1})
    assert lake.read("deliveries")["annotator"].n_unique() == 120


def rater(number: int) -> dict[str, Any]:
    """Return the columns of one annotator of both responses of a session."""
    own = {"annotator": f"annotator_{number}", "preference": f"better_{number}"}
    return {**own, "responses": [{name: f"{name}_{side}_{number}" for name in ("quality", "tone")} for side in "ab"]}


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet"])
def test_several_annotators_and_both_responses_in_one_row(lake: Lake, through: Taken, name: str) -> None:
    """An annotator who left a row empty did not rate it; a wrong number takes no other annotation with it."""
    mapping = {"fields": {"task_id": "id", "submitted_at": EVER}, "annotators": [rater(1), rater(2), rater(3)]}
    columns = [f"{one}_{side}_{n}" for n in (1, 2, 3) for side in "ab" for one in ("quality", "tone")]
    who = {f"annotator_{n}": f"worker {n}" for n in (1, 2, 3)}
    better: dict[str, int | None] = {"better_1": -2, "better_2": 3, "better_3": 1}
    first = {"id": "t1", **who, **better} | {column: 1 + at % 5 for at, column in enumerate(columns)}
    empty = {column: None for column in [*columns, "better_3"] if column.endswith("_3")}
    rows = [first, first | {"id": "t2", "quality_b_1": 7} | empty]
    contents = {"a.csv": table(rows), "a.jsonl": rows, "a.parquet": as_parquet(rows)}
    report = through(mapping, name, contents[name], {"t1": 2, "t2": 2}, ("quality", "tone"))
    assert (report.accepted, report.rules) == (9, {"out_of_scale": 1})
    found = lake.read("deliveries").sort("row_number")
    assert found["response_id"].to_list() == [*["t1.1", "t1.2"] * 3, "t2.1", "t2.1", "t2.2"]
    assert found["scores"].to_list()[:6] == [[1, 2], [3, 4], [5, 1], [2, 3], [4, 5], [1, 2]]
    assert found["preference"].to_list() == [-2, -2, 3, 3, 1, 1, -2, 3, 3]
    assert found["annotator"].n_unique() == 3


def test_an_annotators_own_columns_join_those_of_the_responses(lake: Lake, through: Taken) -> None:
    """The ids of the responses stand once in a row, the ratings once for each annotator."""
    mapping = {
        "fields": {"task_id": "id", "submitted_at": EVER},
        "responses": [{"response_id": "left"}, {"response_id": "right"}],
        "annotators": [
            {"annotator": {"value": f"w{n}"}, "responses": [{"quality": f"l{n}"}, {"quality": f"r{n}"}]} for n in (1, 2)
        ],
    }
    row = {"id": "t1", "left": "t1.2", "right": "t1.1", "l1": 1, "r1": 2, "l2": 3, "r2": 4}
    assert through(mapping, "a.csv", table([row]), {"t1": 2}).accepted == 4
    found = lake.read("deliveries").sort("row_number")
    assert found["response_id"].to_list() == ["t1.2", "t1.1"] * 2
    assert found["scores"].to_list() == [[1], [2], [3], [4]]


def test_more_than_a_hundred_annotators_an_item(lake: Lake, through: Taken) -> None:
    """Two items with 150 raters each, in long rows with a rating each; some rated twice, some differently."""
    mapping = {
        "fields": {"task_id": "item", "annotator": "rater", "submitted_at": EVER, "position": {"value": 1}},
        "long": {"attribute": "question", "rating": "answer", "names": {"Quality?": "quality", "Fun?": "fun"}},
    }
    rows = [
        {"item": item, "rater": n, "question": question, "answer": n % 5 + 1}
        for item in ("i1", "i2")
        for question in ("Quality?", "Fun?")
        for n in range(150)
    ]
    rows += [rows[0], {**rows[1], "answer": 5}, {**rows[2], "question": "Colour?"}]
    report = through(mapping, "long.csv", table(rows), {"i1": 1, "i2": 1}, ("quality", "fun"))
    assert (report.accepted, report.rules) == (299, {"said_twice": 1})
    assert merge(lake, "set") == Merged(used=299, quarantined=1)


def test_sessions_with_both_sides_in_one_row(lake: Lake, through: Taken) -> None:
    """An arena's log: the winner in words, ratings of each side under names of their own, nested."""
    mapping = {
        "fields": {"task_id": "session", "annotator": "judge", "submitted_at": "tstamp"}
        | {"preference": {"path": "winner", "words": {"model_a": -2, "model_b": 2, "tie": None, "tie (bothbad)": None}}}
        | {"justification": "comment"},
        "responses": [{"quality": "marks.a.quality"}, {"quality": "marks.b.quality"}],
        "time_format": "unix",
    }
    rows = [
        {"session": "s1", "judge": "arena_user_9", "tstamp": 1706781600.25, "winner": "model_a"}
        | {"marks": {"a": {"quality": 5}, "b": {"quality": "2"}}, "comment": "A is right."},
        {"session": "s2", "judge": "arena_user_9", "tstamp": "1706781900", "winner": "tie (bothbad)"}
        | {"marks": {"a": {"quality": 1}, "b": None}},
        {"session": "s3", "judge": "arena_user_9", "tstamp": 1706781900.0, "winner": "model_b", "marks": {}},
        {"session": "s2", "judge": "arena_user_8", "tstamp": 1706781960, "winner": "neither"}
        | {"marks": {"a": {"quality": 1}, "b": {"quality": 1}}},
    ]
    report = through(mapping, "arena.json", json.dumps(rows).encode(), {"s1": 2, "s2": 2, "s3": 2})
    found = lake.read("deliveries").sort("row_number")
    assert found["scores"].to_list() == [[5], [2], [1], [None], [None], [None]]
    assert found["preference"].to_list() == [-2, -2, None, None, 2, 2]
    assert report.rules == {"bad_preference": 2}
    assert "or empty; never 0" in why(lake)[4][1]
    assert found["submitted_at"].to_list()[0] == datetime(2024, 2, 1, 10, 0, 0, 250_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("told", "more", "rule"),
    [
        ("2024-02-01 10:00", {}, "has no offset. Say in `mapping.timezone`"),
        ("01.02.2024 10:00", {}, "Say in `mapping.time_format`"),
        ("2024-02-01", {"time_format": "unix"}, "`unix` for seconds since 1970"),
    ],
)
def test_a_time_that_cannot_be_read_says_what_to_add_to_the_mapping(
    lake: Lake, through: Taken, told: str, more: dict[str, Any], rule: str
) -> None:
    fields = {"task_id": "id", "annotator": "who", "submitted_at": "at", "response_id": {"template": "{id}.1"}}
    rows = [{"id": "t1", "who": "w", "at": told, "score": 3}]
    report = through({"fields": fields | {"quality": "score"}, **more}, "a.csv", table(rows), {"t1": 1})
    assert report.rules == {"bad_time": 1}
    assert rule in why(lake)[1][1]


def test_rows_without_a_task_say_where_it_was_looked_for(lake: Lake, through: Taken) -> None:
    fields = {"task_id": "meta.item", "annotator": "who", "submitted_at": EVER, "quality": "score"}
    through({"fields": fields}, "a.jsonl", [{"meta": {"id": "t1"}, "who": "w", "score": 3}], {"t1": 1})
    assert "looks for it at `meta.item`" in why(lake)[1][1]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"fields": {"task_id": "id", "annotator": "rater"}}, "nothing says where `submitted_at` is found"),
        ({"fields": {"task": "id", "annotator": "rater", "submitted_at": EVER}}, "nothing says where `task_id`"),
        ({"colums": {}}, "no such key here; there are: annotators, delimiter, each"),
        ({"words": {"good": [3]}}, "vendors.crowd.mapping.words"),
        (
            {"annotators": [{"quality": {"pth": "q"}}]},
            "mapping.annotators.0.quality.pth: no such key here; there are: path",
        ),
        (
            {"annotators": [{"responses": [{"quality": {"scale": 5}}]}]},
            "mapping.annotators.0.responses.0.quality.scale",
        ),
        (
            {"responses": [{"quality": "q"}], "annotators": [{"responses": [{"quality": "a"}, {"quality": "b"}]}]},
            "annotator 1 has 2 `responses`, and the mapping 1",
        ),
    ],
)
def test_a_mistake_in_a_mapping_is_named(through: Taken, changes: dict[str, Any], told: str) -> None:
    mapping = {"fields": {"task_id": "id", "annotator": "rater", "submitted_at": EVER}, **changes}
    with pytest.raises(SteerworksError) as error:
        through(mapping, "a.csv", "id\n", {"t1": 1})
    assert told in str(error.value)


def test_a_mapping_to_what_is_not_in_the_file_names_the_columns_that_it_looked_for(lake: Lake, through: Taken) -> None:
    mapping = {"fields": {"task_id": "Item", "annotator": "Rater", "submitted_at": EVER, "quality": "Score"}}
    mapping["fields"]["response_id"] = {"template": "{Item}.1"}
    report = through(mapping, "a.csv", "item,Rater,Score\nt1,w1,3\nt1,w2,4\n", {"t1": 1})
    assert report.rules == {"missing_columns": 1}
    assert "`Item`" in why(lake)[1][1]


def test_a_field_that_no_rubric_has_is_named(lake: Lake, through: Taken) -> None:
    mapping = {"fields": {"task_id": "id", "annotator": "rater", "submitted_at": EVER, "qualty": "score"}}
    with pytest.raises(SteerworksError, match="qualty"):
        through(mapping, "a.csv", "id,rater,score\nt1,w1,3\n", {"t1": 1})
