"""Selection over batches, on tables: nested, stable, each prompt with its reason; and what is shown of it."""

from __future__ import annotations

import base64
import json
import re
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import polars as pl
import pytest

from dagster_project.curation import assign_topics, grade, select, show_selection, write_selected
from dagster_project.curation.selecting_report import DIMENSIONS, selection_profile
from dagster_project.generation import Completed, Purse, SilentProgress, complete_conversations
from dagster_project.lake import Lake
from dagster_project.loopback.models import serve_models
from dagster_project.settings import PROJECT_ROOT, CurationFile, Home
from tests.curation.prompt_batches import curation, keep, models_at, prompts_on

STARTER = [json.loads(line) for line in (PROJECT_ROOT / "prompts" / "starter.jsonl").read_text().splitlines()]


def rules(target: int | None, **changes: Any) -> CurationFile:
    return curation(selection={"target": target, **changes})


def describe(lake: Lake, batch: str) -> None:
    for step in (assign_topics, grade):
        step(lake, models_at("http://127.0.0.1:9/v1"), curation(), batch, SilentProgress(), Purse())


def selected(lake: Lake, batch: str, target: int | None, **changes: Any) -> list[str]:
    """Prompt ids in the order of selection."""
    rows = select(lake, rules(target, **changes), batch).filter(pl.col("selected")).sort("place")
    return rows["prompt_id"].to_list()


def store(lake: Lake, batch: str, target: int) -> None:
    """Write a selection as if a model had filled its turns."""
    rows = select(lake, rules(target), batch)
    done = {prompt_id: Completed(messages) for prompt_id, messages in rows.select("prompt_id", "messages").iter_rows()}
    write_selected(lake, batch, rows, done)


@pytest.mark.slow
def test_a_target_raised_twice_adds_prompts_and_removes_none(lake: Lake, home: Home) -> None:
    keep(lake, home, STARTER, "starter")
    describe(lake, "starter")
    selections = [selected(lake, "starter", target) for target in (20, 40, 80)]
    assert [len(selection) for selection in selections] == [20, 40, 80]
    assert all(large[: len(small)] == small for small, large in pairwise(selections))


@pytest.mark.slow
def test_a_new_batch_leaves_earlier_selections_alone(lake: Lake, home: Home) -> None:
    keep(lake, home, STARTER, "starter")
    describe(lake, "starter")
    before = selected(lake, "starter", 40)
    keep(lake, home, prompts_on(["money", "sport"], 100, seed=1), "later")
    describe(lake, "later")
    describe(lake, "starter")
    assert selected(lake, "starter", 40) == before
    assert len(selected(lake, "later", 40)) == 40


def test_another_seed_draws_another_selection_and_the_order_of_rows_makes_no_difference(
    lake: Lake, home: Home, tmp_path: Path
) -> None:
    prompts = prompts_on(["cooking", "law", "stars"], 90, seed=2)
    keep(lake, home, prompts, "b")
    describe(lake, "b")
    other = Home(tmp_path / "other")
    keep(Lake(other.lake), other, prompts[::-1], "b")
    describe(Lake(other.lake), "b")
    assert selected(lake, "b", 30) == selected(Lake(other.lake), "b", 30)
    assert set(selected(lake, "b", 30)) != set(selected(lake, "b", 30, seed=2))


def test_each_prompt_that_is_left_has_its_reason(lake: Lake, home: Home) -> None:
    rows = [{"prompt": text, "source": "ours"} for text in prompts_on(["cooking"], 30, seed=1)]
    rows += [{"prompt": text, "source": "theirs"} for text in prompts_on(["law"], 30, seed=2)]
    keep(lake, home, rows, "b")
    describe(lake, "b")
    held = select(lake, rules(40, max_source_share={"theirs": 0.25}), "b")
    assert Counter(held.filter(pl.col("selected"))["source"]) == {"ours": 30, "theirs": 10}
    assert Counter(held["reason"]) == {None: 40, "beyond_target": 20}, "the next one may be theirs again"
    late = select(lake, rules(10, max_source_share={"theirs": 0.5}), "b")
    assert Counter(late.filter(pl.col("selected"))["source"])["theirs"] <= 5
    assert set(late.filter(~pl.col("selected"))["reason"]) <= {"beyond_target", "source_share"}
    everything = select(lake, rules(None, max_source_share={"theirs": 0.25}), "b")
    assert Counter(everything["reason"]) == {None: 41, "source_share": 19}, "11 of 41: a quarter, rounded up"


def test_topics_and_levels_are_more_even_after_than_before(lake: Lake, home: Home) -> None:
    uneven = [*prompts_on(["cooking"], 160, seed=1), *prompts_on(["law", "stars", "garden"], 60, seed=2)]
    keep(lake, home, [*uneven, *STARTER], "b")
    describe(lake, "b")
    store(lake, "b", 60)
    profile = selection_profile(lake, "b")
    for rows in profile.values():
        assert sum(row.kept for row in rows) == lake.read("curated_prompts")["kept"].sum()
        assert sum(row.selected for row in rows) == 60
    chosen = [row.selected for row in profile["topic"]]
    assert max(chosen) - min(chosen) <= 1
    levels = {row.label: row for row in profile["complexity"]}
    assert levels["5"].selected / 60 > 3 * levels["5"].kept / len(lake.read("prompt_topics"))


def test_what_is_shown_is_markdown_with_a_table_and_pictures_that_can_be_drawn(lake: Lake, home: Home) -> None:
    keep(lake, home, [*STARTER, {"prompt": 'What is <b> & </b> | "that"?', "source": "a | b <script>"}], "b")
    describe(lake, "b")
    store(lake, "b", 40)
    shown = show_selection(lake, rules(40), "b")
    assert set(shown) == {"before and after", "complexity: judge and rule", "plots", "topics", "map of topics"}
    assert all(f"**{dimension}:" in shown["before and after"] for dimension in DIMENSIONS)
    assert "| a \\| b <script> | 1 |" in shown["before and after"]
    pictures = re.findall(r"base64,([A-Za-z0-9+/=]+)\)", shown["plots"] + shown["map of topics"])
    assert len(pictures) == 6
    for picture in pictures:
        assert ElementTree.fromstring(base64.b64decode(picture)).tag.endswith("svg")  # noqa: S314 - our own
    assert sum(map(len, shown.values())) < 200_000


def test_from_the_delivered_file_to_whole_conversations_with_a_judge_embeddings_and_ranked_turns(
    lake: Lake, home: Home
) -> None:
    keep(lake, home, STARTER, "starter")
    whole = curation(
        topics={"embedding_model": "embedder"},
        complexity={"judge": "judge"},
        selection={"target": 40},
        completion={"candidates": 2, "likelihood_model": "likely"},
    )
    with serve_models() as server:
        models = models_at(server.address)
        asked: list[int] = []
        for _ in range(2):
            topics = assign_topics(lake, models, whole, "starter", SilentProgress(), Purse())
            report = grade(lake, models, whole, "starter", SilentProgress(), Purse())
            chosen = select(lake, whole, "starter")
            waiting = chosen.filter(pl.col("selected") & (pl.col("turns") > 1))
            conversations = dict(waiting.select("prompt_id", "messages").iter_rows())
            arguments = (conversations, SilentProgress(), Purse(), whole.completion)
            completed = complete_conversations(lake, models, "m", "starter", *arguments)
            written = write_selected(lake, "starter", chosen, completed)
            asked.append(server.stats()["requests"])
    assert asked[0] == asked[1] > 240, "the second run asks nothing"
    assert (topics.topics, report.judged, written.selected, written.multi_turn) == (11, 120, 40, 12)
    assert report.kappa is not None
    rows = lake.read("selected_prompts").filter(pl.col("selected"))
    for row in rows.to_dicts():
        assert [turn["role"] for turn in row["messages"]] == (["user", "assistant"] * row["turns"])[:-1]
        terms = ("m", "CC0-1.0") if row["turns"] > 1 else (None, None)
        assert (row["completion_model"], row["completion_licence"]) == terms


def test_the_public_prompts_are_selected_evenly(lake: Lake, home: Home, shared_data: Path) -> None:
    text = (shared_data / "prompts" / "real_prompts.jsonl").read_text(encoding="utf-8")
    keep(lake, home, [json.loads(line) for line in text.splitlines()], "real")
    describe(lake, "real")
    chosen = select(lake, rules(100, max_source_share={"Vicuna bench": 0.1}), "real")
    taken = chosen.filter(pl.col("selected"))
    topics = Counter(taken["topic_id"])
    assert taken.height == 100
    assert max(topics.values()) - min(topics.values()) <= 1
    assert len(topics) == chosen["topic_id"].n_unique()


@pytest.mark.parametrize("prompts", [["Only one prompt here."], ["What is one?", "What are two?"]])
def test_a_tiny_batch_is_selected_whole(lake: Lake, home: Home, prompts: list[str]) -> None:
    keep(lake, home, prompts, "tiny")
    describe(lake, "tiny")
    assert len(selected(lake, "tiny", 40)) == len(prompts)
