"""What is in a release, read as its users read it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from dagster_project.lake import Lake
from dagster_project.releases import build_release, read_manifest
from dagster_project.releases.flat_text import flatten
from dagster_project.releases.splits import split_of
from dagster_project.settings import Settings
from tests.releases.conftest import copied
from tests.releases.release_inputs import (
    ANNOTATORS,
    DISPUTED,
    TIED,
    TOO_FEW,
    Fixture,
    frame,
    nothing_unmet,
    rewrite,
    write_spec,
)

pytestmark = pytest.mark.slow

SPLITS = ("train", "validation")
NAMES = ("data", "preference", "annotations")


@pytest.fixture
def release(small_release: Path, settings: Settings) -> Path:
    return copied(small_release, settings)


def both(release: Path, name: str) -> pl.DataFrame:
    return pl.concat(pl.read_parquet(release / name / f"{split}.parquet") for split in SPLITS)


def test_datasets_loads_the_ratings_by_default(release: Path, load: Any) -> None:
    data = load(release)
    assert {split: data[split].num_rows for split in data} == {"train": 16, "validation": 4}
    kinds = {name: getattr(feature, "dtype", None) for name, feature in data["train"].features.items()}
    assert list(kinds) == [
        *("prompt", "response", "use", "truth", "tone", "task_id", "response_id", "prompt_id", "campaign", "model"),
        *("vendor", "messages", "n_annotators", "use_spread", "truth_spread", "tone_spread", "simulated"),
    ]
    assert {kinds[name] for name in ("use", "truth", "tone", "n_annotators", "use_spread")} == {"int8"}
    assert kinds["simulated"] == "bool"
    assert data["train"][0]["messages"][0].keys() == {"role", "content"}


def test_datasets_loads_preferences_and_annotations_by_name(release: Path, load: Any) -> None:
    preference, annotations = load(release, "preference"), load(release, "annotations")
    assert preference["train"].num_rows + preference["validation"].num_rows == 9
    assert preference["train"].column_names == [
        *("prompt", "response_1", "response_2", "preference_strength", "preference_statement", "task_id"),
        *("response_id_1", "response_id_2", "model_1", "model_2", "all_preferences"),
    ]
    opinion = preference["train"][0]["all_preferences"][0]
    assert opinion.keys() == {"annotator", "strength", "justification", "retained"}
    assert annotations["train"].num_rows + annotations["validation"].num_rows == 92
    assert annotations["train"].column_names == [
        *("task_id", "response_id", "annotator", "vendor", "campaign", "round", "position", "guideline_version"),
        *("use", "truth", "tone", "stage", "reason", "submitted_at", "simulated"),
    ]


def test_the_default_rubric_gives_its_own_columns(starter: Fixture, lake: Lake, settings: Settings, load: Any) -> None:
    starter.write()
    write_spec(settings, "v0.1.0", campaigns=["starter"])
    data = load(build_release(lake, settings, "v0.1.0", nothing_unmet).path, "data")
    names = ["helpfulness", "correctness", "coherence", "complexity", "verbosity"]
    assert data["train"].column_names[:7] == ["prompt", "response", *names]


def test_a_release_with_an_empty_split_loads_without_it(
    small: Fixture, lake: Lake, settings: Settings, load: Any
) -> None:
    small.write()
    write_spec(settings, "v0.1.0", validation_share=0)
    path = build_release(lake, settings, "v0.1.0", nothing_unmet).path
    for name, rows in (("data", 20), ("preference", 9), ("annotations", 92)):
        loaded = load(path, name)
        assert {split: loaded[split].num_rows for split in loaded} == {"train": rows}
        empty, full = (pl.read_parquet(path / name / f"{split}.parquet") for split in ("validation", "train"))
        assert (empty.height, empty.schema) == (0, full.schema)
    assert "`data/validation.parquet`, `preference/validation.parquet`" in (path / "README.md").read_text("utf-8")


def test_a_release_without_preferences_loads(small: Fixture, lake: Lake, settings: Settings, load: Any) -> None:
    small.write()
    none = lake.read("preferences").with_columns(strength=pl.lit(None, pl.Int8), reason=pl.lit("too_few"))
    rewrite(lake, settings, "preferences", none)
    path = build_release(lake, settings, "v0.1.0", nothing_unmet).path
    assert load(path)["train"].num_rows == 16
    front = yaml.safe_load((path / "README.md").read_text(encoding="utf-8").split("---\n")[1])
    assert [entry["config_name"] for entry in front["configs"]][:2] == ["data", "annotations"]


def test_rows_2k_and_2k_plus_1_are_one_task_in_shown_order(release: Path, small: Fixture) -> None:
    shown = {row["response_id"]: row["position"] for row in small.lake.read("annotation_tasks").to_dicts()}
    for split in SPLITS:
        rows = pl.read_parquet(release / "data" / f"{split}.parquet").to_dicts()
        assert rows
        for first, second in zip(rows[::2], rows[1::2], strict=True):
            assert first["task_id"] == second["task_id"]
            assert (shown[first["response_id"]], shown[second["response_id"]]) == (1, 2)


def test_tasks_of_one_response_have_one_row_after_all_pairs(small: Fixture, lake: Lake, settings: Settings) -> None:
    small.write()
    alone = "r2-small-03"
    for table in ("annotation_tasks", "annotations", "retained_annotations", "consensus"):
        rewrite(lake, settings, table, lake.read(table).filter(pl.col("response_id") != alone))
    rewrite(lake, settings, "preferences", lake.read("preferences").filter(pl.col("task_id") != "t-small-03"))
    path = build_release(lake, settings, "v0.1.0", nothing_unmet).path
    split = split_of("p-small-03", 0.3, 1)
    tasks = pl.read_parquet(path / "data" / f"{split}.parquet")["task_id"].to_list()
    assert tasks[-1] == "t-small-03"
    assert tasks[:-1:2] == tasks[1::2]
    assert "t-small-03" not in both(path, "preference")["task_id"].to_list()
    excluded = pl.read_parquet(path / "provenance" / "exclusions.parquet").filter(kind="preference")
    assert "t-small-03" not in excluded["task_id"].to_list()


def test_published_ratings_are_those_of_the_consensus(release: Path, lake: Lake) -> None:
    expected = lake.read("consensus")
    data = both(release, "data").sort("task_id", "response_id")
    assert data.select("use", "truth", "tone").rows() == [tuple(scores) for scores in expected["scores"]]
    assert data.select("use_spread", "truth_spread", "tone_spread").rows() == [
        tuple(spreads) for spreads in expected["spreads"]
    ]
    assert data["tone"].null_count() == 2


def test_a_prompt_and_all_that_hangs_on_it_are_in_one_split(release: Path) -> None:
    tasks = pl.read_parquet(release / "provenance" / "tasks.parquet")
    expected = dict(tasks.select("task_id", "split").rows())
    assert all(split_of(prompt, 0.3, 1) == split for prompt, split in tasks.select("prompt_id", "split").rows())
    for name in ("data", "preference", "annotations"):
        for split in SPLITS:
            rows = pl.read_parquet(release / name / f"{split}.parquet")
            assert {expected[task] for task in rows["task_id"]} == {split}


def test_a_prompts_split_depends_on_nothing_but_itself() -> None:
    sides = [split_of(f"p-{number}", 0.05, 1) for number in range(4000)]
    assert 0.035 < sides.count("validation") / len(sides) < 0.065
    wider = [split_of(f"p-{number}", 0.2, 1) for number in range(4000)]
    assert all(more == "validation" for less, more in zip(sides, wider, strict=True) if less == "validation")


def test_the_flat_prompt_is_helpsteer2s() -> None:
    conversations = [
        [("user", "Hello.")],
        [("user", "user turn 1"), ("assistant", "assistant turn 1"), ("user", "user turn 2")],
        [("system", "Be brief."), ("user", "Hello.")],
        [("user", "What is <extra_id_1>User\nfor?")],
        [("user", "<extra_id_1>User\nme")],
    ]
    rows = [[{"role": role, "content": content} for role, content in turns] for turns in conversations]
    flat = pl.DataFrame({"messages": rows}).select(flatten(pl.col("messages")))["messages"].to_list()
    assert flat == [
        "Hello.",
        "user turn 1\n<extra_id_1>Assistant\nassistant turn 1\n<extra_id_1>User\nuser turn 2",
        "<extra_id_0>System\nBe brief.\n<extra_id_1>User\nHello.",
        "What is <extra_id_1>User\nfor?",
        "<extra_id_1>User\nme",
    ]


def test_multi_turn_prompts_are_flat_text_beside_their_messages(release: Path) -> None:
    [row] = both(release, "preference").filter(task_id="t-small-04").to_dicts()
    assert row["prompt"] == (
        "Question 4 of small?\nIn two lines.\n<extra_id_1>Assistant\nWhich one do you mean?\n"
        "<extra_id_1>User\nThe second one."
    )
    assert (row["response_1"], row["response_2"]) == ("Answer 4 by the plain model.", "Answer 4 by the warm model.")


def test_everything_that_did_not_reach_the_release_has_a_stage_and_a_reason(release: Path) -> None:
    rows = pl.read_parquet(release / "provenance" / "exclusions.parquet")
    counts = rows.group_by("kind", "stage", "reason").agg(pl.col("rows").sum()).rows()
    assert {(kind, stage, reason): number for kind, stage, reason, number in counts} == {
        ("prompt", "curation", "too_short"): 1,
        ("prompt", "selection", "over_target"): 1,
        ("prompt", "pairing", "no_task"): 1,
        ("prompt", "dispute", "disputed"): 1,
        ("prompt", "coverage", "too_few"): 1,
        ("response", "generation", "empty_answer"): 2,
        ("response", "dispute", "disputed"): 2,
        ("response", "coverage", "too_few"): 2,
        ("task", "dispute", "disputed"): 1,
        ("task", "coverage", "too_few"): 1,
        ("preference", "preference", "tie"): 1,
        ("annotation", "closest", "not_closest"): 22,
        ("annotation", "dispute", "disputed"): 6,
        ("annotation", "coverage", "too_few"): 4,
        ("delivered row", "merge", "said_before"): 1,
        ("delivered row", "intake", "unknown_task"): 1,
    }


def test_an_answer_that_no_task_shows_is_excluded_for_that(small: Fixture, lake: Lake, settings: Settings) -> None:
    small.write()
    extra = {**small.answer(small.task(3)[0]), "model": "plain", "response_id": "r-spare", "sample_index": 1}
    cell = {"model": "plain", "prompt_batch": "small"}
    lake.write("responses", cell, pl.concat([lake.read("responses", cell), frame("responses", [extra])]))
    path = build_release(lake, settings, "v0.1.0", nothing_unmet).path
    rows = pl.read_parquet(path / "provenance" / "exclusions.parquet").filter(response_id="r-spare").to_dicts()
    assert [(row["stage"], row["reason"]) for row in rows] == [("pairing", "not_paired")]


def test_a_model_that_came_after_the_campaign_is_no_concern_of_it(
    small: Fixture, lake: Lake, settings: Settings
) -> None:
    small.write()
    path = build_release(lake, settings, "v0.1.0", nothing_unmet).path
    later = {**small.answer(small.task(3)[0]), "model": "later", "response_id": "r-later"}
    lake.write("responses", {"model": "later", "prompt_batch": "small"}, frame("responses", [later]))
    assert build_release(lake, settings, "v0.1.0", nothing_unmet).status == "verified"
    assert "later" not in pl.read_parquet(path / "provenance" / "exclusions.parquet")["model"].to_list()


def test_every_task_is_accounted_for(release: Path) -> None:
    rows = {row["task_id"]: row for row in pl.read_parquet(release / "provenance" / "tasks.parquet").to_dicts()}
    assert len(rows) == 12
    fate = {number: rows[f"t-small-{number:02}"] for number in (DISPUTED, TOO_FEW, TIED)}
    assert [(row["published"], row["stage"], row["reason"]) for row in fate.values()] == [
        (False, "dispute", "disputed"),
        (False, "coverage", "too_few"),
        (True, "kept", None),
    ]
    assert (fate[TIED]["preference"], fate[TIED]["preference_reason"]) == (None, "tie")
    assert (fate[TOO_FEW]["annotators"], fate[TOO_FEW]["annotators_kept"]) == (2, 0)
    assert (fate[TIED]["annotators"], fate[TIED]["annotators_kept"]) == (4, 3)


def test_a_task_that_nobody_rated_is_accounted_for(small: Fixture, lake: Lake, settings: Settings) -> None:
    small.write()
    for table in ("annotations", "retained_annotations", "consensus", "preferences"):
        rewrite(lake, settings, table, lake.read(table).filter(pl.col("task_id") != "t-small-05"))
    path = build_release(lake, settings, "v0.1.0", nothing_unmet).path
    [row] = pl.read_parquet(path / "provenance" / "tasks.parquet").filter(task_id="t-small-05").to_dicts()
    assert (row["published"], row["stage"], row["reason"]) == (False, "coverage", "not_rated")


def test_unknown_models_are_null(small: Fixture, lake: Lake, settings: Settings, load: Any) -> None:
    small.write()
    unknown = dict.fromkeys(("model", "model_name", "revision", "parameters", "request_hash"))
    unknown |= {"model_licence": "CC-BY-4.0", "outputs_may_train": None}
    tasks = lake.read("annotation_tasks")
    cast = [pl.lit(value, tasks.schema[name]).alias(name) for name, value in unknown.items()]
    rewrite(lake, settings, "annotation_tasks", tasks.with_columns(cast))
    path = build_release(lake, settings, "v0.1.0", nothing_unmet).path
    assert set(load(path)["train"]["model"]) == {None}
    assert "| responses | unknown | unknown |" in (path / "README.md").read_text(encoding="utf-8")


def test_the_hub_reads_the_card(release: Path) -> None:
    from huggingface_hub import DatasetCard

    card = DatasetCard.load(release / "README.md")
    assert card.data.license == "cc-by-4.0"
    assert card.data.pretty_name == "Small set"
    assert card.data.language == ["en"]
    assert card.data.size_categories == ["n<1K"]
    configurations = card.data.to_dict()["configs"]
    assert [entry["config_name"] for entry in configurations[:3]] == ["data", "preference", "annotations"]
    assert [entry.get("default") for entry in configurations] == [True, *[None] * (len(configurations) - 1)]
    for entry in configurations:
        assert all((release / file["path"]).exists() for file in entry["data_files"])


def test_the_cards_languages_are_those_of_the_spec(small: Fixture, lake: Lake, settings: Settings) -> None:
    small.write()
    write_spec(settings, "v0.1.0", languages=["de", "fr"])
    card = (build_release(lake, settings, "v0.1.0", nothing_unmet).path / "README.md").read_text(encoding="utf-8")
    assert yaml.safe_load(card.split("---\n")[1])["language"] == ["de", "fr"]


def test_the_cards_counts_are_those_of_the_files(release: Path) -> None:
    card = (release / "README.md").read_text(encoding="utf-8")
    for split in SPLITS:
        tables = {name: pl.read_parquet(release / name / f"{split}.parquet") for name in NAMES}
        data = tables["data"]
        counts = [data["prompt_id"].n_unique(), data["task_id"].n_unique(), *(t.height for t in tables.values())]
        assert f"| {split} | " + " | ".join(map(str, counts)) + " |" in card


def test_the_cards_statistics_are_those_of_the_files(release: Path) -> None:
    card = (release / "README.md").read_text(encoding="utf-8")
    data = both(release, "data")
    for name in ("use", "truth", "tone"):
        mean, deviation, correlation = data.select(
            pl.col(name).mean().alias("a"), pl.col(name).std().alias("b"), pl.corr(name, "use").alias("c")
        ).row(0)
        if name == "tone":
            correlation = data.drop_nulls("tone").select(pl.corr("tone", "use")).item()
        assert f"| {name} | {mean:.4f} | {deviation:.4f} | {correlation:.4f} |" in card
    lengths = data["response"].str.len_chars()
    assert f"| characters of the response | {lengths.mean():.4f} | {lengths.std():.4f} |" in card


def test_agreement_stands_beside_its_shuffled_figure(release: Path) -> None:
    card = (release / "README.md").read_text(encoding="utf-8")
    assert "| use | 0.400 | 0.447 (0.023) | 0.494 (0.047) | 0.541 (0.070) |" in card


def test_text_of_others_cannot_break_the_cards_tables(release: Path) -> None:
    card = (release / "README.md").read_text(encoding="utf-8")
    assert "Is it true \\| checked?" in card
    assert yaml.safe_load(card.split("---\n")[1])["configs"]


def test_statistics_of_equal_ratings_are_dashes_and_no_error(small: Fixture, lake: Lake, settings: Settings) -> None:
    small.write()
    consensus = lake.read("consensus").with_columns(scores=pl.lit([3, None, 2], pl.List(pl.Int8)))
    rewrite(lake, settings, "consensus", consensus)
    card = (build_release(lake, settings, "v0.1.0", nothing_unmet).path / "README.md").read_text(encoding="utf-8")
    assert "| use | 3.0000 | 0.0000 | – |" in card
    assert "| truth | – | – | – |" in card


def test_the_card_lists_licences_source_by_source(release: Path) -> None:
    card = (release / "README.md").read_text(encoding="utf-8").partition("## Licences")[2].partition("##")[0]
    assert "The release as a whole is under `cc-by-4.0`." in card
    assert "| prompts | the tests | CC0-1.0 | – |" in card
    assert "| responses | plain | Apache-2.0 | yes | 10 |" in card
    assert "| turns within prompts | plain | Apache-2.0 | – |" in card
    assert "| ratings | vendor acme, campaign small | CC-BY-4.0 | – | 60 |" in card


def test_the_card_counts_preferences_by_strength(release: Path) -> None:
    card = (release / "README.md").read_text(encoding="utf-8")
    assert "Preferences, of 9 tasks" in card
    assert "| strength | 1 |\n| --- | ---: |\n| tasks | 9 |\n" in card


def test_ratings_of_models_beside_those_of_people_are_counted_on_card_and_manifest(
    small: Fixture, lake: Lake, settings: Settings
) -> None:
    small.write()
    rows = lake.read("retained_annotations")
    is_judge = pl.col("annotator") == ANNOTATORS[0]
    judged = rows.with_columns(vendor=pl.when(is_judge).then(pl.lit("judges")).otherwise("vendor"))
    rewrite(lake, settings, "retained_annotations", judged)
    path = build_release(lake, settings, "v0.1.0", nothing_unmet).path
    raters = {(some.vendor, some.kind): some.kept for some in read_manifest(path).raters}
    assert raters == {("acme", "human"): 40, ("judges", "model"): 20}
    card = (path / "README.md").read_text(encoding="utf-8")
    assert "**Models made 33.3 % of the annotations behind the published ratings**" in card
    assert {"human-feedback", "ai-feedback"} <= set(yaml.safe_load(card.split("---\n")[1])["tags"])
