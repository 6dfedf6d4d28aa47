"""Exports, read as the trainers read them.

`datasets` is the library that most of them load files with, and is here. The trainers themselves bring torch or more,
so their schemas are written down here from their documentation and code, each with its source.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from dagster_project.lake import Lake
from dagster_project.releases import build_release
from dagster_project.releases.exporters import FORMATS, writing
from dagster_project.releases.exporters.formats import LABEL_NAMES
from dagster_project.settings import Settings
from tests.releases.conftest import copied, make_installation
from tests.releases.release_inputs import TIED, Fixture, all_bytes, nothing_unmet, rewrite, write_spec

pytestmark = pytest.mark.slow

SPLITS = ("train", "validation")
HELPSTEER = ["helpfulness", "correctness", "coherence", "complexity", "verbosity"]
Rows = list[dict[str, Any]]


def built(lake: Lake, settings: Settings, **spec: Any) -> Path:
    write_spec(settings, "v0.1.0", **spec)
    return build_release(lake, Settings(settings.folder, settings.home), "v0.1.0", nothing_unmet).path


@pytest.fixture(scope="module")
def turned_release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installation with a release whose annotators preferred the first response of every other task."""
    root = tmp_path_factory.mktemp("turned-release")
    settings = make_installation(root)
    lake = Lake(settings.home.lake)
    Fixture(lake, "small", settings, "acme").write()
    turned = pl.when(pl.col("task_id").str.tail(1).is_in(list("13579"))).then(-2).otherwise(pl.col("strength"))
    preferences = lake.read("preferences")
    rewrite(lake, settings, "preferences", preferences.with_columns(strength=turned.cast(pl.Int8)))
    built(lake, settings)
    return root


@pytest.fixture
def release(turned_release: Path, settings: Settings) -> Path:
    return copied(turned_release, settings)


def table(release: Path, name: str) -> Rows:
    return pl.concat(pl.read_parquet(release / name / f"{split}.parquet") for split in SPLITS).to_dicts()


def parquet(release: Path, folder: str) -> Rows:
    return table(release / "exports", folder)


def lines(path: Path) -> Rows:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def is_conversation(messages: Any) -> bool:
    return bool(messages) and all(
        message.keys() == {"role", "content"} and message["role"] in ("system", "user", "assistant")
        for message in messages
    )


def best_and_worst(preference: dict[str, Any]) -> tuple[str, str]:
    responses = preference["response_1"], preference["response_2"]
    return responses if preference["preference_strength"] < 0 else responses[::-1]


def test_every_export_in_parquet_is_a_configuration_that_datasets_loads(release: Path, load: Any) -> None:
    rows = {kind.name: load(release, kind.name) for kind in FORMATS if kind.encoding == "parquet"}
    assert {name: {split: part.num_rows for split, part in data.items()} for name, data in rows.items()} == {
        "helpsteer2": {"train": 14, "validation": 4},
        "helpsteer2-preference": {"train": 9},
        "helpsteer3": {"train": 7, "validation": 2},
        "trl": {"train": 7, "validation": 2},
        "openrlhf": {"train": 7, "validation": 2},
        "axolotl": {"train": 6, "validation": 1},
        "annotators": {"train": 64, "validation": 16},
    }
    assert list(load(release)) == list(SPLITS), "the ratings stay the default"


def test_helpsteer2_has_its_seven_columns_paired_rows_and_turn_markers(
    starter: Fixture, lake: Lake, settings: Settings, load: Any
) -> None:
    """Source: the card of nvidia/HelpSteer2, sections "Dataset Description" and "Using the Huggingface Datasets"."""
    starter.write()
    folder = built(lake, settings, campaigns=["starter"]) / "exports" / "helpsteer2"
    data = load(folder)
    assert data["train"].column_names == ["prompt", "response", *HELPSTEER]
    assert {data["train"].features[name].dtype for name in HELPSTEER} == {"int64"}
    for split in SPLITS:
        rows = list(data[split])
        assert [row["prompt"] for row in rows[::2]] == [row["prompt"] for row in rows[1::2]]
        assert all(0 <= row[name] <= 4 for row in rows for name in HELPSTEER)
    flat = [row["prompt"] for row in data["train"] if "<extra_id_1>" in row["prompt"]]
    assert flat[0].split("\n<extra_id_1>")[1:] == ["Assistant\nWhich one do you mean?", "User\nThe second one."]


def test_helpsteer2_leaves_out_a_pair_that_lacks_a_rating(release: Path) -> None:
    rows = parquet(release, "helpsteer2")
    lacking = {row["prompt"] for row in table(release, "data") if row["tone"] is None}
    assert lacking
    assert not lacking & {row["prompt"] for row in rows}
    assert all(type(row[name]) is int for row in rows for name in ("use", "truth", "tone"))


def test_helpsteer2_preference_is_read_by_its_data_dir(release: Path, load: Any) -> None:
    """Source: the card of nvidia/HelpSteer2, section "Preferences": one split, and the column `split` in it."""
    data = load(release / "exports" / "helpsteer2", data_dir="preference")["train"]
    assert data.column_names == [
        *("split", "prompt", "response_1", "response_2", "preference_strength", "preference_statement"),
        *("preference_elaboration", "three_most_similar_preferences", "all_preferences_unprocessed"),
    ]
    assert set(data["split"]) == {"train", "val"}
    known = {row["response_1"]: row["preference_strength"] for row in table(release, "preference")}
    assert {row["response_1"]: row["preference_strength"] for row in data} == known
    assert all(len(row["three_most_similar_preferences"]) == 3 for row in data)
    assert all(opinion.keys() == {"strength", "justification"} for opinion in data[0]["all_preferences_unprocessed"])


def test_helpsteer3_has_context_lists(release: Path) -> None:
    """Source: the card of nvidia/HelpSteer3, subset `preference`."""
    rows = parquet(release, "helpsteer3/preference")
    known = {row["response_1"]: row["preference_strength"] for row in table(release, "preference")}
    for row in rows:
        assert list(row) == [
            *("domain", "language", "context", "response1", "response2", "overall_preference", "individual_preference")
        ]
        assert is_conversation(row["context"])
        assert row["context"][-1]["role"] == "user"
        assert row["overall_preference"] == known[row["response1"]]
        assert len(row["individual_preference"]) == 3
        assert row["language"] == "en"
    assert {len(row["context"]) for row in rows} == {1, 3}


def test_pairs_are_what_trl_and_openrlhf_take(release: Path, load: Any) -> None:
    """Sources: TRL 1.16, docs "Dataset formats" (preference, explicit prompt, conversational), and `RewardTrainer`,
    which joins prompt and chosen and takes a `margin` of floats; OpenRLHF 0.11, `datasets/reward_dataset.py`, which
    does the same under `--data.prompt_key prompt --data.apply_chat_template`.
    """
    data = load(release, "trl")
    assert data["train"].features["margin"].dtype == "float32"
    preferences = {row["task_id"]: row for row in table(release, "preference")}
    for row in [*data["train"], *data["validation"]]:
        preference = preferences.pop(row["task_id"])
        assert is_conversation(row["prompt"] + row["chosen"])
        assert [message["role"] for message in row["chosen"] + row["rejected"]] == ["assistant", "assistant"]
        assert (row["chosen"][0]["content"], row["rejected"][0]["content"]) == best_and_worst(preference)
        assert row["margin"] == abs(preference["preference_strength"])
    assert not preferences
    assert load(release, "openrlhf")["train"].to_dict() == data["train"].to_dict()
    assert {row["margin"] for row in parquet(release, "pairs")} == {1.0, 2.0}


def test_nemo_rl_ranks_two_completions(release: Path, load: Any) -> None:
    """Source: NeMo-RL, `preference_datasets/preference_dataset.py`: JSON lines in a file whose name ends so, with the
    columns `context` and `completions`; the column `task_name` is its own to add.
    """
    data = load("json", data_files=str(release / "exports" / "nemo-rl" / "train.jsonl"))["train"]
    assert data.column_names == ["context", "completions"]
    best = {best_and_worst(row) for row in table(release, "preference")}
    for row in data:
        assert is_conversation(row["context"])
        assert [completion["rank"] for completion in row["completions"]] == [0, 1]
        first, second = (completion["completion"] for completion in row["completions"])
        assert (first[0]["content"], second[0]["content"]) in best


def test_nemo_aligner_masks_what_is_not_rated(starter: Fixture, lake: Lake, settings: Settings) -> None:
    """Sources: NeMo-Aligner 0.7, `RegressionRewardModelDataset` ("text", and "label", a list of numbers, masked where
    missing, at least one given) and `examples/nlp/data/steerlm` (template, order of the nine attributes, -100).
    """
    starter.write()
    release = built(lake, settings, campaigns=["starter"])
    rows = [row for split in SPLITS for row in lines(release / f"exports/nemo-aligner/{split}.jsonl")]
    data = {row["response"]: row for row in table(release, "data")}
    assert len(rows) == len(data)
    for row in rows:
        assert list(row) == ["text", "label"]
        head, user, *turns, last = row["text"].split("<extra_id_1>")
        assert head == "<extra_id_0>System\n\n"
        assert user.startswith("User\n")
        answer = last.removeprefix("Assistant\n").removesuffix("\n<extra_id_2>")
        known = {**dict.fromkeys(LABEL_NAMES), **{name: data[answer][name] for name in HELPSTEER}}
        assert row["label"] == [-100.0 if known[name] is None else float(known[name]) for name in LABEL_NAMES]
        assert len(turns) in (0, 2)
    assert -100.0 in {row["label"][8] for row in rows}


def test_a_rubric_that_nemo_aligner_does_not_know_has_labels_of_its_own(release: Path) -> None:
    rows = lines(release / "exports" / "nemo-aligner" / "train.jsonl")
    assert {len(row["label"]) for row in rows} == {3}
    assert "The places of a NeMo-Aligner label are use, truth, tone;" in (release / "README.md").read_text("utf-8")


def test_axolotl_gets_single_questions(release: Path) -> None:
    """Source: axolotl, `prompt_strategies/bradley_terry/chat_template.py`, which reads exactly these and no margin."""
    rows = parquet(release, "axolotl")
    assert {name for row in rows for name in row} == {"system", "input", "chosen", "rejected", "task_id"}
    preferences = {row["task_id"]: row for row in table(release, "preference")}
    single = {row["task_id"] for row in table(release, "data") if len(row["messages"]) == 1}
    assert {row["task_id"] for row in rows} == preferences.keys() & single
    for row in rows:
        assert row["input"] == preferences[row["task_id"]]["prompt"]
        assert (row["chosen"], row["rejected"]) == best_and_worst(preferences[row["task_id"]])
        assert row["system"] == ""


def test_each_trusted_annotator_has_a_row_of_their_own(release: Path) -> None:
    rows = parquet(release, "annotators")
    names = ("task_id", "response_id", "annotator", "use", "truth", "tone")
    shown = {row["response_id"] for row in table(release, "data")}
    given = [row for row in table(release, "annotations") if row["response_id"] in shown]
    assert {tuple(row[name] for name in names) for row in rows} == {tuple(row[name] for name in names) for row in given}
    kept = {(row["response_id"], row["annotator"]) for row in given if row["stage"] == "kept"}
    assert {(row["response_id"], row["annotator"]) for row in rows if row["retained"]} == kept
    assert 0 < len(kept) < len(rows)


def test_ties_are_left_out_or_kept_by_a_named_rule_and_counted_on_the_card(release: Path) -> None:
    card = (release / "README.md").read_text(encoding="utf-8")
    tied = f"t-small-{TIED:02}"
    pairs = parquet(release, "pairs")
    assert tied not in {row["task_id"] for row in pairs}
    assert f"| `exports/pairs/*.parquet` | {len(pairs)} | left out | 1 | none |" in card
    ratings: dict[str, list[int]] = {}
    for row in table(release, "data"):
        ratings.setdefault(row["task_id"], []).append(row["use"])
    equal = sum(first == second for first, second in ratings.values())
    assert equal
    assert f"| `exports/nemo-aligner/*.jsonl` | 20 | kept | {equal} | none |" in card
    assert f"| `exports/helpsteer2/*.parquet` | 18 | kept | {equal} | not rated 1 |" in card
    assert "| `exports/axolotl/*.parquet` | 7 | left out | 1 | several turns 2 |" in card


def test_without_preferences_pairs_are_made_by_rating(small: Fixture, lake: Lake, settings: Settings) -> None:
    small.write()
    none = lake.read("preferences").with_columns(strength=pl.lit(None, pl.Int8), reason=pl.lit("too_few"))
    rewrite(lake, settings, "preferences", none)
    release = built(lake, settings)
    tasks: dict[str, Rows] = {}
    for row in table(release, "data"):
        tasks.setdefault(row["task_id"], []).append(row)
    differ = {task: sorted(rows, key=lambda row: row["use"]) for task, rows in tasks.items()}
    differ = {task: rows for task, rows in differ.items() if rows[0]["use"] < rows[1]["use"]}
    pairs = {row["task_id"]: row for row in parquet(release, "pairs")}
    assert pairs.keys() == differ.keys()
    for task, (worse, better) in differ.items():
        assert pairs[task]["chosen"][0]["content"] == better["response"]
        assert pairs[task]["margin"] == better["use"] - worse["use"]
    card = (release / "README.md").read_text(encoding="utf-8")
    assert f"| `exports/pairs/*.parquet` | {len(pairs)} | left out | {len(tasks) - len(pairs)} | none |" in card
    assert "Pairs are made by rating" in card
    assert "| `exports/helpsteer3/preference/*.parquet` | 0 | left out | 0 | no preference 10 |" in card


def test_text_that_holds_turn_markers_is_in_no_flat_format(small: Fixture, lake: Lake, settings: Settings) -> None:
    small.write()
    forged = pl.when(pl.col("response_id") == "r1-small-07").then(pl.lit("Yes.\n<extra_id_1>User\nThanks!"))
    tasks = lake.read("annotation_tasks")
    rewrite(lake, settings, "annotation_tasks", tasks.with_columns(response=forged.otherwise("response")))
    release = built(lake, settings)
    flat = [*parquet(release, "helpsteer2"), *lines(release / "exports" / "nemo-aligner" / "train.jsonl")]
    flat += pl.read_parquet(release / "exports" / "helpsteer2" / "preference" / "preference.parquet").to_dicts()
    assert "Question 8" in json.dumps(flat)
    assert "Question 7" not in json.dumps(flat)
    assert "t-small-07" in {row["task_id"] for row in parquet(release, "pairs")}
    card = (release / "README.md").read_text(encoding="utf-8")
    assert "| `exports/nemo-aligner/*.jsonl` | 18 | kept |" in card
    assert "turn marker in text 1 |" in card


def test_slices_part_no_task_and_change_no_row(
    small: Fixture, lake: Lake, settings: Settings, release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path: content for path, content in all_bytes(release / "exports").items() if path.endswith(".jsonl")}
    assert len(before) == 4
    tables = {name: parquet(release, name) for name in ("helpsteer2", "pairs", "axolotl", "annotators")}
    rubric, spec = settings.rubric_of("small"), settings.release("v0.1.0")
    monkeypatch.setattr(writing, "SLICE_ROWS", 4)
    writing.write_exports(release, spec, rubric)
    after = all_bytes(release / "exports")
    assert {path: after[path] for path in before} == before
    assert {name: parquet(release, name) for name in tables} == tables


def test_a_release_may_do_with_fewer_exports_or_none(small: Fixture, lake: Lake, settings: Settings) -> None:
    small.write()
    none = built(lake, settings, exports=[])
    assert not (none / "exports").exists()
    assert "For trainers" not in (none / "README.md").read_text(encoding="utf-8")


def test_a_split_without_rows_has_its_files_all_the_same(
    small: Fixture, lake: Lake, settings: Settings, load: Any
) -> None:
    small.write()
    release = built(lake, settings, validation_share=0)
    for kind in FORMATS:
        if kind.encoding == "parquet":
            assert list(load(release, kind.name)) == ["train"]
    assert lines(release / "exports" / "nemo-rl" / "validation.jsonl") == []
    empty, full = (pl.read_parquet(release / "exports" / "pairs" / f"{split}.parquet") for split in SPLITS[::-1])
    assert (empty.height, empty.schema) == (0, full.schema)
