"""Prompts from the delivered file to the selection, on real files and a real DuckDB."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagster_project.curation import (
    assign_topics,
    curate,
    deliver_prompts,
    delivered_batches,
    grade,
    select,
    take_in_prompts,
    write_selected,
)
from dagster_project.curation.prompt_rows import PromptRowError, parse_row
from dagster_project.errors import SteerworksError
from dagster_project.generation import Completed, Purse, SilentProgress, conversation_hash
from dagster_project.lake import Lake
from dagster_project.settings import PROJECT_ROOT, CurationFile, Home, Settings

CURATION = CurationFile.model_validate({"completion_model": "any", "length": {"max_chars": 500, "max_turns": 3}})


def jsonl(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def take_in(lake: Lake, home: Home, path: Path, batch: str) -> None:
    deliver_prompts(home, path, batch, source="test", licence="CC0-1.0")
    take_in_prompts(lake, home, batch)


def test_strings_message_lists_and_sharegpt_conversations_become_user_turns(
    lake: Lake, home: Home, tmp_path: Path
) -> None:
    path = jsonl(
        tmp_path / "mixed.jsonl",
        {"prompt": "Name three rivers.", "topic": "geography"},
        {"messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hello there."}]},
        {
            "conversations": [
                {"from": "human", "value": "First question?"},
                {"from": "gpt", "value": "an answer of somebody else's model"},
                {"from": "human", "value": "Second question?"},
                {"from": "gpt", "value": "another"},
            ],
            "licence": "MIT",
        },
    )
    take_in(lake, home, path, "mixed")
    rows = lake.read("raw_prompts").to_dicts()
    assert [[m["content"] for m in row["messages"]] for row in rows] == [
        ["Name three rivers."],
        ["Hello there."],
        ["First question?", "Second question?"],
    ]
    assert [row["licence"] for row in rows] == ["CC0-1.0", "CC0-1.0", "MIT"]
    assert json.loads(rows[0]["extra"]) == {"topic": "geography"}
    assert "somebody else" not in str(rows)


def test_a_parquet_file_of_prompts_is_taken_in(lake: Lake, home: Home, tmp_path: Path) -> None:
    pq.write_table(pa.table({"prompt": ["What is a fjord?", None], "source": ["a", None]}), tmp_path / "p.parquet")
    take_in(lake, home, tmp_path / "p.parquet", "parquet")
    rows = lake.read("raw_prompts").to_dicts()
    assert [row["defect"] is None for row in rows] == [True, False]
    assert [row["source"] for row in rows] == ["a", "test"]


def test_each_exclusion_has_its_reason_and_good_rows_are_never_lost_to_a_bad_one(
    lake: Lake, home: Home, tmp_path: Path
) -> None:
    path = tmp_path / "bad.jsonl"
    good = [
        {"prompt": "How do I sharpen a kitchen knife?"},
        {"prompt": "Hi"},
        {"prompt": "x" * 501},
        {"prompt": "how do i sharpen   a kitchen knife"},
        {"prompt": "How do I sharpen a kitchen knife?"},
        {"messages": [{"role": "user", "content": f"turn number {n}"} for n in range(4)]},
        {"prompt": "   "},
        {"text": "no known field"},
        {"messages": [{"role": "wizard", "content": "abracadabra"}]},
        ["not an object"],
        {"prompt": 7},
        {"prompt": "¿¿¿???!!!"},
        {"prompt": "???!!!¿¿¿"},
    ]
    body = "".join(json.dumps(row) + "\n" for row in good).encode() + b'{"prompt": "cut of\n' + b'{"prompt": "\xff"}\n'
    path.write_bytes(body)
    take_in(lake, home, path, "bad")
    report = curate(lake, home, CURATION, "bad")
    rows = lake.read("curated_prompts").to_dicts()
    assert len(rows) == len(good) + 2
    assert [row["reason"] for row in rows] == [
        None,
        "too_short",
        "too_long",
        "duplicate_normalised",
        "duplicate",
        "too_many_turns",
        *["invalid"] * 5,
        None,
        None,
        *["invalid"] * 2,
    ]
    assert [row["detail"].partition(":")[0] for row in rows if row["reason"] == "invalid"] == [
        *("empty", "no_prompt", "bad_role", "not_an_object", "bad_type", "not_json", "wrong_encoding")
    ]
    assert report.kept == 3
    assert rows[3]["duplicate_of"] == rows[0]["intake_number"]


@pytest.mark.parametrize("order", [["one", "two"], ["two", "one"]])
def test_the_later_batch_holds_the_duplicate_whatever_is_made_first(
    lake: Lake, home: Home, tmp_path: Path, order: list[str]
) -> None:
    for batch in ("one", "two"):
        path = jsonl(tmp_path / f"{batch}.jsonl", {"prompt": "Why is bread springy?"}, {"prompt": f"Only in {batch}!"})
        deliver_prompts(home, path, batch, "test", "CC0-1.0")
    for batch in order:
        take_in_prompts(lake, home, batch)
        curate(lake, home, CURATION, batch)
    assert lake.read("curated_prompts", {"prompt_batch": "one"})["kept"].to_list() == [True, True]
    assert lake.read("curated_prompts", {"prompt_batch": "two"})["reason"].to_list() == ["duplicate", None]


def test_the_same_file_again_changes_nothing_and_another_under_the_same_name_is_refused(
    home: Home, tmp_path: Path
) -> None:
    path = jsonl(tmp_path / "p.jsonl", {"prompt": "What is a quorum?"})
    first = deliver_prompts(home, path, "b", "test", "CC0-1.0")
    assert deliver_prompts(home, path, "b", "test", "CC0-1.0") == first
    jsonl(path, {"prompt": "Another prompt."})
    with pytest.raises(SteerworksError, match="choose another name"):
        deliver_prompts(home, path, "b", "test", "CC0-1.0")
    assert delivered_batches(home) == [first]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.jsonl", b"", "the file is empty"),
        ("blank.jsonl", b"\n\n", "the file has no rows"),
        ("prompts.docx", b"x", "prompts come as"),
        ("broken.parquet", b"PAR1 no", "not a Parquet file"),
    ],
)
def test_a_file_that_is_no_prompt_file_is_refused_with_what_to_do(
    home: Home, tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SteerworksError, match=message):
        deliver_prompts(home, tmp_path / name, "b", "test", "CC0-1.0")
    assert delivered_batches(home) == []


def describe(lake: Lake, batch: str) -> None:
    """Give the kept prompts of a batch their topics and levels, by their words alone."""
    models = Settings(PROJECT_ROOT / "config").models
    for step in (assign_topics, grade):
        step(lake, models, CURATION, batch, SilentProgress(), Purse())


def chosen(lake: Lake, target: int | None, share: float) -> set[str]:
    selection = CurationFile.model_validate(
        {"completion_model": "any", "selection": {"target": target, "multi_turn_share": share, "seed": 3}}
    )
    rows = select(lake, selection, "starter")
    return set(rows.filter(rows["selected"])["prompt_id"])


def test_a_higher_target_adds_prompts_and_removes_none(lake: Lake, home: Home) -> None:
    take_in(lake, home, PROJECT_ROOT / "prompts" / "starter.jsonl", "starter")
    curate(lake, home, CurationFile.model_validate({"completion_model": "any"}), "starter")
    describe(lake, "starter")
    selections = [chosen(lake, target, 0.29) for target in (1, 7, 40, 80, 105, 119, 120, 500)]
    assert [len(selection) for selection in selections] == [1, 7, 40, 80, 105, 119, 120, 120]
    assert all(small <= large for small, large in pairwise(selections))
    assert chosen(lake, None, 0.29) == selections[-1]
    turns = dict(lake.read("curated_prompts").select("prompt_id", "turns").iter_rows())
    assert sum(turns[prompt_id] > 1 for prompt_id in selections[2]) == 12


def test_selected_prompts_are_whole_conversations_and_a_failed_completion_is_a_reason(
    lake: Lake, home: Home, tmp_path: Path
) -> None:
    turns = [{"role": "user", "content": "Plan a picnic."}, {"role": "user", "content": "Now for rain."}]
    other = [{"role": "user", "content": "Plan a party."}, {"role": "user", "content": "Cheaper."}]
    take_in(lake, home, jsonl(tmp_path / "p.jsonl", {"messages": turns}, {"messages": other}), "b")
    curate(lake, home, CURATION, "b")
    describe(lake, "b")
    rows = select(lake, CURATION, "b")
    first, second = lake.read("raw_prompts")["prompt_id"]
    whole = [turns[0], {"role": "assistant", "content": "Bring bread."}, turns[1]]
    completed = {
        first: Completed(whole, model="small", licence="Apache-2.0", may_train=True),
        second: Completed(None, "empty_answer"),
    }
    report = write_selected(lake, "b", rows, completed)
    stored = {row["prompt_id"]: row for row in lake.read("selected_prompts").to_dicts()}
    assert stored[first]["messages"] == whole
    assert stored[first]["conversation_hash"] == conversation_hash(whole)
    terms = [f"completion_{name}" for name in ("model", "licence", "may_train")]
    assert [stored[first][name] for name in terms] == ["small", "Apache-2.0", True]
    assert [stored[second][name] for name in terms] == [None, None, None]
    assert not stored[second]["selected"]
    assert report.left_out == {"completion_failed: empty_answer": 1}


def test_the_public_prompts_go_through(lake: Lake, home: Home, shared_data: Path) -> None:
    take_in(lake, home, shared_data / "prompts" / "real_prompts.jsonl", "real")
    report = curate(lake, home, CurationFile.model_validate({"completion_model": "any"}), "real")
    assert report.kept + sum(report.excluded.values()) == 582
    assert report.kept > 540


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["prompt", "messages", "role", "content", "from", "value", "x"]), inner)
    ),
    max_leaves=12,
)


@given(json_values)
def test_any_row_is_parsed_or_named_by_the_rule_it_breaks(row: object) -> None:
    try:
        prompt = parse_row(row)
    except PromptRowError as error:
        rule, colon, words = str(error).partition(": ")
        problem = not (rule.isidentifier() and colon and words)
    else:
        problem = not prompt.messages or not all(message["content"].strip() for message in prompt.messages)
    assert not problem
