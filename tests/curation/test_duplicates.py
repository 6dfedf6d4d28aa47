"""Duplicates and near-duplicates over several batches: the same clusters in whatever order the batches are made."""

from __future__ import annotations

import json
import random
import unicodedata
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagster_project.curation import curate, deliver_prompts, take_in_prompts
from dagster_project.curation.jaccard import jaccard
from dagster_project.curation.neighbours import earlier_neighbours
from dagster_project.curation.normalising import squeeze, squeeze_turns
from dagster_project.curation.signatures import sign
from dagster_project.lake import Lake
from dagster_project.settings import CurationFile, Home

CURATION = CurationFile.model_validate({"completion_model": "any"})
BREAD = (
    "My sourdough loaf comes out dense and gummy although it rises for twelve hours in a warm kitchen. What should I "
    "change first, and how would I know that it helped?"
)
CAT = "Our cat wakes us at four every morning and wants to be fed. Suggest a plan for two weeks that ends this kindly."
FIRST = {"bread": BREAD, "cat": CAT}
SECOND = {
    "bread again": BREAD,
    "bread, a word changed": BREAD.replace("twelve hours", "eleven hours"),
    "bread, shouted": BREAD.upper().replace(". ", "!!  "),
    "new": "Explain to a new treasurer of a village choir how to keep accounts, with an example of one month.",
}
THIRD = {
    "bread, two words changed": BREAD.replace("twelve hours", "eleven hours").replace("warm kitchen", "warm cellar"),
    "cat, a word changed": CAT.replace("four", "five"),
    "choir": "Explain to a new treasurer of a village choir how to keep accounts, with an example of one year.",
}
BATCHES = {"first": FIRST, "second": SECOND, "third": THIRD}
OTHER_ORDERS = list(permutations(BATCHES))[1:-1]


def deliver(home: Home, folder: Path, batches: dict[str, dict[str, str]]) -> None:
    for batch, prompts in batches.items():
        path = folder / f"{batch}.jsonl"
        rows = [json.dumps({"prompt": text, "name": name}) + "\n" for name, text in prompts.items()]
        path.write_text("".join(rows), encoding="utf-8")
        deliver_prompts(home, path, batch, "test", "CC0-1.0")


def curated(lake: Lake) -> dict[str, dict[str, Any]]:
    """Return all curated rows by the name that the test gave each prompt."""
    names = lake.read("raw_prompts").select("intake_number", name=pl.col("extra").str.json_path_match("$.name"))
    rows = lake.read("curated_prompts").join(names, on="intake_number").sort("intake_number")
    return {row["name"]: row for row in rows.to_dicts()}


@pytest.mark.parametrize(
    "order",
    [tuple(BATCHES), tuple(BATCHES)[::-1], *(pytest.param(order, marks=pytest.mark.slow) for order in OTHER_ORDERS)],
)
def test_duplicates_of_duplicates_have_the_same_clusters_in_any_order_of_materialisation(
    lake: Lake, home: Home, tmp_path: Path, order: tuple[str, ...]
) -> None:
    deliver(home, tmp_path, BATCHES)
    for batch in order:
        curate(lake, home, CURATION, batch)
    rows = curated(lake)
    first_of = {row["prompt_id"]: name for name, row in reversed(rows.items())}
    assert {name: (row["reason"], row["duplicate_of"], first_of[row["cluster"]]) for name, row in rows.items()} == {
        "bread": (None, None, "bread"),
        "cat": (None, None, "cat"),
        "bread again": ("duplicate", 1, "bread"),
        "bread, a word changed": ("near_duplicate", 1, "bread"),
        "bread, shouted": ("duplicate_normalised", 1, "bread"),
        "new": (None, None, "new"),
        "bread, two words changed": ("near_duplicate", 4, "bread"),
        "cat, a word changed": ("near_duplicate", 2, "cat"),
        "choir": ("near_duplicate", 6, "new"),
    }


def test_a_later_batch_changes_no_byte_of_an_earlier_one_and_signs_nothing_again(
    lake: Lake, home: Home, tmp_path: Path
) -> None:
    deliver(home, tmp_path, {"first": FIRST, "second": SECOND})
    for batch in ("first", "second"):
        curate(lake, home, CURATION, batch)
    before = {path: path.stat().st_mtime_ns for path in lake.root.rglob("*.parquet")}
    deliver(home, tmp_path, {"third": THIRD})
    curate(lake, home, CURATION, "third")
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert lake.rows("prompt_signatures") == len(FIRST) + len(SECOND) + len(THIRD)


def test_what_the_filters_exclude_is_not_what_others_are_duplicates_of(lake: Lake, home: Home, tmp_path: Path) -> None:
    written = f"{BREAD} Answer to jo.baker@sourdough.net."
    deliver(home, tmp_path, {"first": {"with address": written}, "second": {"without": BREAD, "again": written}})
    curate(lake, home, CURATION, "second")
    curate(lake, home, CURATION, "first")
    rows = curated(lake)
    assert [(name, row["reason"]) for name, row in rows.items()] == [
        ("with address", "personal_data"),
        ("without", None),
        ("again", "personal_data"),
    ]
    assert [row["cluster"] for row in rows.values()] == [None, rows["without"]["prompt_id"], None]


def test_a_prompt_that_is_like_two_clusters_joins_the_nearer_and_touches_the_other(
    lake: Lake, home: Home, tmp_path: Path
) -> None:
    bridge = f"{BREAD} {CAT}"
    parts = {"bread": f"{BREAD} {CAT[:40]}", "cat": f"{BREAD[70:]} {CAT}"}
    deliver(home, tmp_path, {"first": parts, "second": {"bridge": bridge}, "third": {"bridge again": bridge}})
    loose = {"exclude": False, "exclude_from": 0.75, "cluster_from": 0.55}
    curate(lake, home, CurationFile.model_validate({"completion_model": "any", "duplicates": loose}), "second")
    curate(lake, home, CurationFile.model_validate({"completion_model": "any", "duplicates": loose}), "third")
    rows, (bread, cat) = curated(lake), lake.read("raw_prompts")["prompt_id"].to_list()[:2]
    assert [(rows[name]["cluster"], rows[name]["touches"]) for name in ("bridge", "bridge again")] == [
        (bread, [cat])
    ] * 2


@pytest.mark.slow
def test_a_changed_rule_makes_verdicts_and_clusters_again_but_no_signature(
    lake: Lake, home: Home, tmp_path: Path
) -> None:
    deliver(home, tmp_path, BATCHES)
    curate(lake, home, CURATION, "third")
    signed = {path: path.stat().st_mtime_ns for path in lake.parts("prompt_signatures")}
    short = CURATION.model_copy(update={"length": CURATION.length.model_copy(update={"max_chars": 120})})
    curate(lake, home, short, "third")
    assert {path: path.stat().st_mtime_ns for path in lake.parts("prompt_signatures")} == signed
    assert curated(lake)["bread, two words changed"]["reason"] == "too_long"
    assert curated(lake)["choir"]["reason"] == "near_duplicate"


def test_alike_prompts_below_the_limit_stay_in_one_cluster_and_the_limit_is_a_setting(
    lake: Lake, home: Home, tmp_path: Path
) -> None:
    deliver(home, tmp_path, BATCHES)
    lenient = CURATION.model_copy(update={"duplicates": CURATION.duplicates.model_copy(update={"exclude_from": 0.99})})
    curate(lake, home, lenient, "third")
    rows = curated(lake)
    for name in THIRD:
        assert rows[name]["reason"] is None
        assert rows[name]["cluster"] != rows[name]["prompt_id"]
        assert 0.65 <= rows[name]["similarity"] < 0.99


def test_conversations_are_compared_as_wholes(lake: Lake, home: Home, tmp_path: Path) -> None:
    path = tmp_path / "turns.jsonl"
    rows = [[BREAD], [BREAD, "And with rye?"], [BREAD, "And with rye?"], [CAT, BREAD]]
    path.write_text(
        "".join(json.dumps({"messages": [{"role": "user", "content": t} for t in turns]}) + "\n" for turns in rows)
    )
    deliver_prompts(home, path, "turns", "test", "CC0-1.0")
    curate(lake, home, CURATION, "turns")
    assert lake.read("curated_prompts")["reason"].to_list()[2:] == ["duplicate", None]


def test_a_million_alike_would_take_no_longer_than_a_million_that_differ() -> None:
    signatures = sign([squeeze(f"Write a birthday poem for my colleague number {n} please.") for n in range(3_000)])
    pairs = earlier_neighbours(signatures, 0.5)
    assert len(pairs.later) < 3_000 * 32 * 25
    assert set(pairs.later.tolist()) == set(range(1, 3_000))


def windows_of(text: str) -> set[bytes]:
    """The definition: all windows of five bytes of what counts of a text, or all of a shorter one."""
    letters = squeeze(text).encode()
    return {letters[at : at + 5] for at in range(max(len(letters) - 4, 1))} if letters else set()


def alike(first: str, second: str) -> float:
    ours, theirs = windows_of(first), windows_of(second)
    return len(ours & theirs) / max(len(ours | theirs), 1)


@given(st.lists(st.text(alphabet="abcé日 ", max_size=40), min_size=2, max_size=8))
def test_similarity_is_that_of_the_sets_of_windows(texts: list[str]) -> None:
    squeezed = [squeeze(text) for text in texts]
    ours, theirs = (np.array(side) for side in zip(*permutations(range(len(texts)), 2), strict=True))
    wanted = [alike(texts[first], texts[second]) for first, second in zip(ours, theirs, strict=True)]
    assert jaccard(squeezed, ours, theirs).tolist() == pytest.approx(wanted)


def test_whether_two_prompts_are_of_a_cluster_is_counted_and_not_estimated(
    lake: Lake, home: Home, tmp_path: Path
) -> None:
    dice = random.Random(3)
    words = " ".join([BREAD, CAT, *THIRD.values()]).split()

    def changed(text: str) -> str:
        return " ".join(dice.choice(words) if dice.random() < 0.08 else word for word in text.split())

    prompts = [changed(dice.choice([BREAD, CAT, THIRD["choir"]])) for _ in range(200)]
    deliver(home, tmp_path, {"all": {f"{number}": text for number, text in enumerate(prompts)}})
    curate(lake, home, CURATION, "all")
    signatures = sign([squeeze(prompt) for prompt in prompts])
    pairs = earlier_neighbours(signatures, CURATION.duplicates.cluster_from)
    promising = [alike(prompts[a], prompts[b]) for a, b in zip(pairs.later, pairs.earlier, strict=True)]
    assert min(promising) < CURATION.duplicates.cluster_from < max(promising)
    rows = lake.read("prompt_clusters").filter(pl.col("nearest").is_not_null()).to_dicts()
    assert len(rows) > 50
    for row in rows:
        exact = alike(prompts[row["intake_number"] - 1], prompts[row["nearest"] - 1])
        assert row["similarity"] == pytest.approx(exact)
        assert exact >= CURATION.duplicates.cluster_from


@given(st.text(max_size=60))
def test_squeezing_twice_is_squeezing_once(text: str) -> None:
    once = squeeze(text)
    assert squeeze(once) == once


@given(st.lists(st.text(max_size=30), min_size=1, max_size=3), st.sampled_from(["NFC", "NFD", "NFKC", "NFKD"]))
def test_spacing_case_and_unicode_forms_make_no_difference(turns: list[str], form: Any) -> None:
    plain = squeeze_turns(turns)
    assert squeeze_turns([f"  {unicodedata.normalize(form, turn)}…\n" for turn in turns]) == plain
    assert squeeze_turns([turn.upper() for turn in turns]) == squeeze_turns([turn.upper().lower() for turn in turns])


@given(st.lists(st.text(alphabet="abcdefgh 12", max_size=20), min_size=1, max_size=12), st.integers(0, 11))
def test_a_text_is_signed_alike_in_whatever_company(texts: list[str], place: int) -> None:
    squeezed = [squeeze(text) for text in texts]
    at = place % len(texts)
    assert (sign(squeezed)[at] == sign([squeezed[at]])[0]).all()


@given(st.lists(st.sampled_from([BREAD, CAT, BREAD[:120], CAT[:60], BREAD + CAT]), min_size=2, max_size=12))
def test_neighbours_found_in_parts_are_those_found_at_once(texts: list[str]) -> None:
    signatures = sign([squeeze(text) for text in texts])
    half = len(texts) // 2
    first, second = earlier_neighbours(signatures[:half], 0.5), earlier_neighbours(signatures, 0.5, half)
    together = earlier_neighbours(signatures, 0.5)
    pairs = [(some.later.tolist(), some.earlier.tolist()) for some in (first, second)]
    joined = {pair for later, earlier in pairs for pair in zip(later, earlier, strict=True)}
    assert joined == set(zip(together.later.tolist(), together.earlier.tolist(), strict=True))


def test_rows_taken_in_already_are_not_taken_in_again(lake: Lake, home: Home, tmp_path: Path) -> None:
    deliver(home, tmp_path, {"first": FIRST})
    take_in_prompts(lake, home, "first")
    written = lake.parts("raw_prompts")[0].stat().st_mtime_ns
    curate(lake, home, CURATION, "first")
    assert lake.parts("raw_prompts")[0].stat().st_mtime_ns == written
