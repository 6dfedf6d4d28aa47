"""Prompts that hold an item of an evaluation set, however it is dressed up; and phrases that anybody writes."""

from __future__ import annotations

import gzip
import json
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dagster_project.curation import curate, deliver_prompts
from dagster_project.curation.benchmark_files import read_items
from dagster_project.curation.benchmarks import BenchmarkIndex
from dagster_project.curation.normalising import squeeze_turns
from dagster_project.curation.signatures import sign
from dagster_project.errors import SteerworksError
from dagster_project.lake import Lake
from dagster_project.settings import CurationFile, Home
from dagster_project.settings.curation import Benchmark, Benchmarks

ITEMS = [
    {"id": "own/1", "turns": ["Plan a three-day hike along a windy coast for two beginners; list what each carries."]},
    {"id": "own/2", "turns": ["Solve for x in the equation 7x + 12 = 4(x - 3).", "Now check it."]},
    {
        "id": "own/3",
        "turns": [
            "A baker sells 48 rolls before nine and a third as many after noon. How many rolls is that in all?",
            "Which of the numbers in the question would change the answer most if it were ten percent larger?",
        ],
    },
    {"id": "own/4", "turns": ["Can you explain why?"]},
    {"id": "own/5", "turns": ["What is the difference between a fjord and a firth?"]},
]


@pytest.fixture
def own_set(tmp_path: Path) -> Path:
    path = tmp_path / "own.jsonl"
    path.write_text("".join(json.dumps(item) + "\n" for item in ITEMS), encoding="utf-8")
    return path


def overlaps(path: Path, *prompts: str | list[str]) -> list[str | None]:
    """Return for each prompt the benchmark's name and item, or None."""
    index = BenchmarkIndex.load(Benchmarks(sets=(Benchmark(name="own", file=path),)))
    texts = [squeeze_turns([prompt] if isinstance(prompt, str) else prompt) for prompt in prompts]
    found = index.overlaps(texts, sign(texts))
    return [found[at].detail.partition(",")[0] if at in found else None for at in range(len(texts))]


def full_width(text: str) -> str:
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)


DRESSED: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "upper case": str.upper,
    "no spaces": lambda text: text.replace(" ", ""),
    "spaced out": lambda text: "\n\n".join(text.split()),
    "without punctuation": lambda text: "".join(c if c.isalnum() else " " for c in text),
    "more punctuation": lambda text: text.replace(" ", " ... ") + "!!!",
    "decomposed": lambda text: unicodedata.normalize("NFD", text),
    "full width": full_width,
    "accents": lambda text: text.replace("e", "é"),
    "zero width": lambda text: "\u200b".join(text),
    "embedded": lambda text: f"Hello! I am new here and need help with this:\n> {text}\nThanks a lot for your time.",
    "embedded in a long text": lambda text: ("Some words on the weather come first. " * 40) + text + " And on." * 100,
}


@pytest.mark.parametrize("dress", DRESSED.values(), ids=DRESSED.keys())
def test_every_first_turn_of_mt_bench_is_found_however_it_is_dressed(
    shared_data: Path, dress: Callable[[str], str]
) -> None:
    path = shared_data / "benchmarks" / "mt_bench_questions.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    found = overlaps(path, *(dress(row["turns"][0]) for row in rows))
    missed = {row["id"]: row["turns"][0] for row, name in zip(rows, found, strict=True) if name is None}
    # An item of 21 letters within a longer text is no evidence; alone it is.
    too_short = {"mt-bench/116": "x+y = 4z, x*y = 4z^2, express x-y in z"} if len(dress("")) > 20 else {}
    assert missed == too_short


def test_an_item_is_named_with_its_benchmark(own_set: Path) -> None:
    assert overlaps(own_set, *(item["turns"][0] for item in ITEMS)) == [
        *("own: own/1", "own: own/2", "own: own/3"),
        None,  # too short to be anybody's
        "own: own/5",
    ]


def test_items_with_small_changes_are_found(own_set: Path) -> None:
    hike = str(ITEMS[0]["turns"][0])
    assert overlaps(
        own_set,
        hike.replace("two beginners", "two novices"),
        hike.replace("windy", "windey"),
        "Please: " + hike.replace("a three-day hike", "a hike"),
        ["Good morning!", str(ITEMS[2]["turns"][1])],
        [str(turn) for turn in ITEMS[2]["turns"]],
    ) == ["own: own/1", "own: own/1", "own: own/1", "own: own/3", "own: own/3"]


def test_short_common_phrases_are_nobodys(own_set: Path) -> None:
    assert (
        overlaps(
            own_set,
            "Can you explain why?",
            "Can you explain why the sky is blue? Now check it.",
            "What is the difference between a llama and an alpaca?",
            "Plan a three-day trip to Lisbon for two beginners in surfing.",
            "Solve for x in the equation 2x + 1 = 9.",
            "How many rolls is that in all?",
            "",
        )
        == [None] * 7
    )


def test_boilerplate_that_all_items_of_a_set_share_excludes_nobody(tmp_path: Path) -> None:
    lead = "Choose the best answer from the following options and write nothing but its letter. Question: "
    subjects = (
        "tides bread glass moss yeast chalk amber wool cork resin flint peat salt rust zinc tin lead felt silk jute"
    )
    items = [{"id": n, "question": f"{lead}what is {word} made of?"} for n, word in enumerate(subjects.split())]
    path = tmp_path / "choices.jsonl"
    path.write_text("".join(json.dumps(item) + "\n" for item in items), encoding="utf-8")
    other = f"{lead}which of the four planets named in the table has the shortest day, and how long is it in hours?"
    assert overlaps(path, other, f"{lead}what is amber made of?") == [None, "own: 6"]


@pytest.mark.parametrize(
    ("name", "settings", "write"),
    [
        ("a.parquet", {"text": "chat.0.content", "id": "key.name"}, "parquet"),
        ("a.jsonl.gz", {"text": "chat.0.content", "id": "key.name"}, "gz"),
        ("a.jsonl", {"text": "chat", "id": "key.name"}, "jsonl"),
        ("a.txt", {}, "txt"),
    ],
)
def test_items_are_read_from_nested_fields_of_several_formats(
    tmp_path: Path, name: str, settings: dict[str, Any], write: str
) -> None:
    text = "Name a bridge, a tower and a lighthouse that a painter made famous, and say which painter."
    row = {"chat": [{"role": "user", "content": text}, {"role": "assistant", "content": "No."}], "key": {"name": "b7"}}
    path, line = tmp_path / name, json.dumps(row) + "\n"
    if write == "parquet":
        pq.write_table(pa.Table.from_pylist([row]), path)
    else:
        content = (text if write == "txt" else line).encode()
        path.write_bytes(gzip.compress(content) if write == "gz" else content)
    items = list(read_items(Benchmark(name="nested", file=path, **settings)))
    assert [(item.name, item.turns) for item in items] == [("line 1" if write == "txt" else "b7", (text,))]


def test_a_benchmark_without_the_named_field_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "b.jsonl"
    path.write_text('{"challenge": "Something."}\n')
    with pytest.raises(SteerworksError, match=r"row 1 has no text in one of .* Name the field under `text`"):
        list(read_items(Benchmark(name="b", file=path)))
    with pytest.raises(SteerworksError, match="no such file"):
        list(read_items(Benchmark(name="b", file=tmp_path / "absent.jsonl")))


def test_an_overlap_is_a_row_with_reason_and_figure(lake: Lake, home: Home, tmp_path: Path, own_set: Path) -> None:
    path = tmp_path / "p.jsonl"
    prompts = [str(ITEMS[0]["turns"][0]).upper(), "Suggest a name for a small boat that carries bread."]
    path.write_text("".join(json.dumps({"prompt": prompt}) + "\n" for prompt in prompts))
    deliver_prompts(home, path, "b", "test", "CC0-1.0")
    sets = {"sets": [{"name": "own", "file": str(own_set)}]}
    report = curate(lake, home, CurationFile.model_validate({"completion_model": "any", "benchmarks": sets}), "b")
    rows = lake.read("curated_prompts").to_dicts()
    assert [(row["reason"], row["detail"]) for row in rows] == [
        ("benchmark_overlap", "own: own/1, 100% of the item stands in the prompt"),
        (None, None),
    ]
    assert report.excluded == {"benchmark_overlap": 1}
