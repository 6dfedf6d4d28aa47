"""Prompts from every format they come in, streamed and numbered; assistant turns stay behind unless they are wanted."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagster_project.curation import deliver_prompts, take_in_prompts
from dagster_project.curation.prompt_files import read_rows
from dagster_project.errors import SteerworksError
from dagster_project.lake import Lake
from dagster_project.settings import PROJECT_ROOT, Home
from dagster_project.settings.curation import Intake

MESSAGES = [
    {"role": "user", "content": "Name three rivers."},
    {"role": "assistant", "content": "Tay, Esk, Don."},
    {"role": "user", "content": "Which is the longest?"},
    {"role": "assistant", "content": "The Tay."},
]
ROWS = [{"messages": MESSAGES, "licence": "MIT", "id": 1}, {"messages": MESSAGES[:1], "id": 2}]
SHAREGPT = [
    {"id": row["id"], "conversations": [{"from": m["role"], "value": m["content"]} for m in row["messages"]]}  # type: ignore[attr-defined]
    for row in ROWS
]


def lines(rows: Any) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


WRITE: dict[str, Callable[[Path], object]] = {
    "p.jsonl": lambda path: path.write_bytes(lines(ROWS)),
    "p.jsonl.gz": lambda path: path.write_bytes(gzip.compress(lines(ROWS))),
    "p.ndjson": lambda path: path.write_bytes(lines([row["messages"] for row in ROWS])),
    "p.json": lambda path: path.write_text(json.dumps(SHAREGPT, indent=1)),
    "p.json.gz": lambda path: path.write_bytes(gzip.compress(json.dumps(SHAREGPT).encode())),
    "p.parquet": lambda path: pq.write_table(pa.Table.from_pylist(ROWS), path),
    "saved": lambda path: datasets.Dataset.from_list(ROWS).save_to_disk(str(path), num_shards=2),
    "splits": lambda path: datasets.DatasetDict(
        train=datasets.Dataset.from_list(ROWS[:1]), test=datasets.Dataset.from_list(ROWS[1:])
    ).save_to_disk(str(path)),
}


@pytest.mark.parametrize("name", WRITE)
def test_the_same_prompts_come_out_of_every_format(lake: Lake, home: Home, tmp_path: Path, name: str) -> None:
    WRITE[name](tmp_path / name)
    deliver_prompts(home, tmp_path / name, "batch", "a source", "CC0-1.0")
    report = take_in_prompts(lake, home, "batch")
    rows = lake.read("raw_prompts").to_dicts()
    assert (report.rows, report.defects) == (2, {})
    assert [[message["content"] for message in row["messages"]] for row in rows] == [
        ["Name three rivers.", "Which is the longest?"],
        ["Name three rivers."],
    ]
    assert [(row["intake_number"], row["row_number"], row["source"]) for row in rows] == [
        (1, 1, "a source"),
        (2, 2, "a source"),
    ]
    assert "Tay" not in str(rows)


def test_a_folder_is_delivered_whole_and_the_same_folder_again_changes_nothing(home: Home, tmp_path: Path) -> None:
    WRITE["splits"](tmp_path / "splits")
    first = deliver_prompts(home, tmp_path / "splits", "batch", "a source", "CC0-1.0")
    assert deliver_prompts(home, tmp_path / "splits", "batch", "a source", "CC0-1.0") == first
    (tmp_path / "splits" / "note.txt").write_text("more")
    with pytest.raises(SteerworksError, match="choose another name"):
        deliver_prompts(home, tmp_path / "splits", "batch", "a source", "CC0-1.0")


def test_a_folder_of_hugging_face_needs_no_datasets_package(tmp_path: Path) -> None:
    WRITE["saved"](tmp_path / "saved")
    program = (
        "import sys; sys.modules['datasets'] = None\n"
        "from pathlib import Path; from dagster_project.curation.prompt_files import read_rows\n"
        "print(len(list(read_rows(Path(sys.argv[1])))))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "saved")], capture_output=True, text=True, cwd=PROJECT_ROOT
    )
    assert ran.stdout == "2\n", ran.stderr


def test_assistant_turns_are_kept_where_that_is_configured(lake: Lake, home: Home, tmp_path: Path) -> None:
    two_users = [{"role": "user", "content": "One."}, {"role": "user", "content": "Two."}]
    mixed = [*two_users, {"role": "assistant", "content": "Three."}, {"role": "user", "content": "Four."}]
    path = tmp_path / "p.jsonl"
    path.write_bytes(lines([{"messages": MESSAGES}, {"messages": two_users}, {"messages": mixed}]))
    deliver_prompts(home, path, "batch", "a source", "CC0-1.0")
    take_in_prompts(lake, home, "batch", Intake(keep_assistant_turns=True))
    rows = lake.read("raw_prompts").to_dicts()
    assert rows[0]["messages"] == MESSAGES[:3]
    assert rows[1]["messages"] == two_users
    assert rows[2]["defect"].startswith("bad_order: ")


def test_parts_of_a_message_are_joined_and_pictures_are_a_defect(lake: Lake, home: Home, tmp_path: Path) -> None:
    texts = [{"type": "text", "text": "What is"}, {"type": "text", "text": "a quorum?"}]
    picture = [{"type": "image_url", "image_url": {"url": "data:…"}}]
    path = tmp_path / "p.jsonl"
    path.write_bytes(lines([[{"role": "user", "content": parts}] for parts in (texts, [*texts, *picture])]))
    deliver_prompts(home, path, "batch", "a source", "CC0-1.0")
    take_in_prompts(lake, home, "batch")
    rows = lake.read("raw_prompts").to_dicts()
    assert rows[0]["messages"] == [{"role": "user", "content": "What is\na quorum?"}]
    assert rows[1]["defect"].startswith("not_text: turn 1")


def test_half_a_character_is_a_defect_and_the_other_rows_go_through(lake: Lake, home: Home, tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text('{"prompt": "half \\ud83d of it"}\n{"prompt": "whole \\ud83d\\ude00", "x": 1}\n')
    deliver_prompts(home, path, "batch", "a source", "CC0-1.0")
    assert take_in_prompts(lake, home, "batch").defects == {"wrong_encoding": 1}
    assert lake.read("raw_prompts")["messages"][1][0]["content"] == "whole 😀"


def test_conversations_of_several_collections_are_understood(lake: Lake, home: Home, tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_bytes(lines([{"conversation": MESSAGES}, {"conversations": MESSAGES}, SHAREGPT[0]]))
    deliver_prompts(home, path, "batch", "a source", "CC0-1.0")
    take_in_prompts(lake, home, "batch")
    assert lake.read("raw_prompts")["prompt_id"].n_unique() == 1


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("p.json", b'{"prompt": "x"}', "a .json file of prompts is one list"),
        ("p.json", b'[{"prompt": "x"}, {"prom', "not JSON after row 1"),
        ("p.jsonl.gz", gzip.compress(b'{"prompt": "x"}\n' * 99, mtime=0)[:-9], "a broken .gz file"),
        ("p.jsonl.gz", b"no gzip", "a broken .gz file"),
    ],
)
def test_what_is_broken_as_a_whole_is_refused_with_what_to_do(
    home: Home, tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SteerworksError, match=message):
        deliver_prompts(home, tmp_path / name, "b", "test", "CC0-1.0")


def test_a_folder_that_is_no_data_set_is_refused_with_what_to_do(home: Home, tmp_path: Path) -> None:
    with pytest.raises(SteerworksError, match="save_to_disk"):
        deliver_prompts(home, tmp_path, "b", "test", "CC0-1.0")


json_rows = st.lists(
    st.dictionaries(st.sampled_from(["prompt", "messages", "a", "ü"]), st.text() | st.integers() | st.none()),
    min_size=1,
    max_size=8,
)


@given(json_rows, st.sampled_from([None, 1]))
def test_a_list_is_read_as_the_lines_of_the_same_rows(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]], indent: int | None
) -> None:
    folder = tmp_path_factory.mktemp("rows")
    (folder / "p.json").write_text(json.dumps(rows, indent=indent), encoding="utf-8")
    (folder / "p.jsonl").write_bytes(lines(rows))
    assert list(read_rows(folder / "p.json")) == list(read_rows(folder / "p.jsonl"))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            [{"question": "What is a fjord?", "answer": "A bay."}] * 2,
            "row 1: no_prompt: .* none of them, but question, ",
        ),
        ([{"prompt": None}], "row 1: bad_type: `prompt` is text, and here it is null"),
        ([{"messages": "Hello."}, 7], "2 rows .* row 1: bad_type: `messages` is a list of turns, and here it is text"),
        ([{"prompt": "x", "messages": MESSAGES}], "this has prompt and messages"),
    ],
)
def test_a_file_without_a_single_prompt_is_refused_and_may_be_mended_under_the_same_name(
    home: Home, tmp_path: Path, rows: list[Any], message: str
) -> None:
    path = tmp_path / "p.jsonl"
    path.write_bytes(lines(rows))
    with pytest.raises(SteerworksError, match=f"not one of its .*{message}"):
        deliver_prompts(home, path, "batch", "a source", "CC0-1.0")
    path.write_bytes(lines([*rows, {"prompt": "What is a firth?"}]))
    assert deliver_prompts(home, path, "batch", "a source", "CC0-1.0").rows == len(rows) + 1


@pytest.mark.parametrize("told", [{"source": " "}, {"licence": ""}])
def test_a_blank_source_or_licence_is_refused(home: Home, tmp_path: Path, told: dict[str, str]) -> None:
    path = tmp_path / "p.jsonl"
    path.write_bytes(lines(ROWS))
    with pytest.raises(SteerworksError, match=f"the {next(iter(told))} is blank"):
        deliver_prompts(home, path, "batch", **{"source": "a source", "licence": "CC0-1.0"} | told)


def test_what_developers_and_functions_say_is_not_the_users(lake: Lake, home: Home, tmp_path: Path) -> None:
    others = [{"role": "developer", "content": "Be brief."}, {"role": "function", "content": "{}"}]
    path = tmp_path / "p.jsonl"
    path.write_bytes(lines([{"messages": [*others, *MESSAGES]}]))
    deliver_prompts(home, path, "batch", "a source", "CC0-1.0")
    assert take_in_prompts(lake, home, "batch").defects == {}
    assert [m["role"] for m in lake.read("raw_prompts")["messages"][0]] == ["user", "user"]
