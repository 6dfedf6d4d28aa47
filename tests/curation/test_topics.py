"""Topics: found in what prompts say, kept for good, and added to by later batches."""

from __future__ import annotations

from collections import Counter

import polars as pl
import pytest

from dagster_project.curation import assign_topics, curate
from dagster_project.curation.selecting_report import evenness
from dagster_project.curation.topics_map import topic_map, topics_in_words
from dagster_project.errors import SteerworksError
from dagster_project.generation import Purse, SilentProgress
from dagster_project.lake import Lake
from dagster_project.loopback import embeddings as loopback_embeddings
from dagster_project.loopback.models import Behaviour, serve_models
from dagster_project.settings import PROJECT_ROOT, CurationFile, Home, Settings
from tests.curation.prompt_batches import curation, keep, models_at, prompts_on, subject_of

WORDS = curation()
BY_MODEL = curation(topics={"embedding_model": "embedder"})
NOWHERE = "http://127.0.0.1:9/v1"
FIRST = prompts_on(["cooking", "law", "stars", "garden"], 120, seed=1)
ALIKE = prompts_on(["cooking", "law", "stars", "garden"], 80, seed=2)
OTHER = [*prompts_on(["money", "sport"], 60, seed=3), *prompts_on(["cooking"], 20, seed=4)]


def place(lake: Lake, rules: CurationFile, batch: str, address: str = NOWHERE, purse: Purse | None = None):
    return assign_topics(lake, models_at(address), rules, batch, SilentProgress(), purse or Purse())


def subjects_of_topics(lake: Lake) -> dict[str, Counter[str]]:
    """What the prompts of each topic are about."""
    texts = {row["prompt_id"]: row["messages"][0]["content"] for row in lake.read("curated_prompts").to_dicts()}
    found: dict[str, Counter[str]] = {}
    for row in lake.read("prompt_topics").to_dicts():
        found.setdefault(row["topic_id"], Counter())[subject_of(texts[row["prompt_id"]])] += 1
    return found


def purity(lake: Lake) -> float:
    """The share of prompts whose subject is that of most prompts of their topic."""
    counts = subjects_of_topics(lake).values()
    return sum(max(each.values()) for each in counts) / sum(sum(each.values()) for each in counts)


@pytest.mark.parametrize("rules", [WORDS, BY_MODEL], ids=["words", "embeddings"])
def test_prompts_on_a_subject_share_topics_and_a_later_batch_joins_them_and_adds_its_own(
    lake: Lake, home: Home, rules: CurationFile
) -> None:
    for batch, prompts in (("one", FIRST), ("two", ALIKE), ("three", OTHER)):
        keep(lake, home, prompts, batch)
    with serve_models() as server:
        first = place(lake, rules, "one", server.address)
        topics, placed = lake.read("topics"), lake.read("prompt_topics")
        second = place(lake, rules, "two", server.address)
        third = place(lake, rules, "three", server.address)
    assert (first.placed, first.far, first.without) == (120, 0, 0)
    assert first.founded == first.topics == 11
    assert second.founded <= 1
    assert third.founded >= 2
    assert lake.read("topics", {"prompt_batch": "one"}).equals(topics), "no topic is renamed or moved"
    assert lake.read("prompt_topics", {"prompt_batch": "one"}).equals(placed), "no prompt changes its topic"
    assert purity(lake) > 0.9
    new = set(lake.read("topics", {"prompt_batch": "three"})["topic_id"])
    counts = {topic: each["money"] + each["sport"] for topic, each in subjects_of_topics(lake).items()}
    assert sum(count for topic, count in counts.items() if topic in new) > 0.8 * sum(counts.values())


def test_the_same_batch_again_places_nothing_anew_and_a_prompt_that_comes_later_is_placed_alone(
    lake: Lake, home: Home
) -> None:
    keep(lake, home, [*FIRST, "x" * 9_000 + " bread oven flour knife onion"], "one")
    place(lake, WORDS, "one")
    before = lake.read("prompt_topics")
    assert place(lake, WORDS, "one").placed == 0
    assert lake.read("prompt_topics").equals(before)
    curate(lake, home, curation(length={"max_chars": 20_000}), "one")
    assert place(lake, WORDS, "one").placed == 1
    assert lake.read("prompt_topics").filter(pl.col("prompt_id").is_in(before["prompt_id"].to_list())).equals(before)


def test_labels_are_typical_words_and_examples_are_members(lake: Lake, home: Home) -> None:
    keep(lake, home, FIRST, "one")
    place(lake, WORDS, "one")
    members = lake.read("prompt_topics")
    subjects = subjects_of_topics(lake)
    for topic in lake.read("topics").to_dicts():
        of_topic = members.filter(pl.col("topic_id") == topic["topic_id"])["prompt_id"].to_list()
        assert set(topic["examples"]) <= set(of_topic)
        [(most, _)] = subjects[topic["topic_id"]].most_common(1)
        assert all(subject_of(word) == most for word in topic["label"].split(", "))
        assert topic["size"] == len(of_topic)


def test_an_embedding_paid_for_is_never_asked_twice_and_stands_in_the_lake(lake: Lake, home: Home) -> None:
    keep(lake, home, FIRST, "one")
    keep(lake, home, ALIKE, "two")
    with serve_models() as server:
        place(lake, BY_MODEL, "one", server.address)
        assert server.stats()["requests"] == 120
        for table in ("topics", "prompt_topics", "prompt_embeddings"):
            for part in lake.parts(table):
                part.unlink()
        place(lake, BY_MODEL, "one", server.address)
        assert server.stats()["requests"] == 120, "a run that starts anew finds them in the journal"
        place(lake, BY_MODEL, "two", server.address)
        assert server.stats()["requests"] == 200, "nor are the examples of topics asked for again"
    stored = lake.read("prompt_embeddings")
    assert set(stored["embedding_model"]) == {"embedder"}
    assert stored["request_hash"].n_unique() == 200
    assert set(stored["vector"].list.len()) == {32}


def test_embeddings_that_the_money_does_not_reach_are_asked_for_by_the_next_run(lake: Lake, home: Home) -> None:
    keep(lake, home, FIRST, "one")
    with serve_models() as server:
        models = models_at(server.address, prices={"input_usd_per_million": 100})
        with pytest.raises(SteerworksError, match=r"not finished \(\d+ budget\)"):
            assign_topics(lake, models, BY_MODEL, "one", SilentProgress(), Purse(0.1))
        asked = server.stats()["requests"]
        assert 0 < asked < 120
        assert not lake.read("prompt_topics").height, "topics of half a batch would not be those of the whole"
        purse = Purse(10.0)
        assign_topics(lake, models, BY_MODEL, "one", SilentProgress(), purse)
        assert server.stats()["requests"] == 120
        assert 0 < purse.spent_usd < 1


def test_faults_of_the_endpoint_are_tried_again_and_a_text_that_it_refuses_has_no_topic(lake: Lake, home: Home) -> None:
    keep(lake, home, [*FIRST, "long " * 190], "one")
    with serve_models(Behaviour(p500=0.1, p429=0.1, p_garbage=0.05, max_prompt_chars=500)) as server:
        report = place(lake, BY_MODEL, "one", server.address)
    assert (report.placed, report.without) == (120, 1)
    [refused] = lake.read("prompt_embeddings").filter(pl.col("vector").is_null()).to_dicts()
    assert refused["reason"] == "context_overflow"
    assert lake.read("prompt_topics").filter(pl.col("topic_id").is_null())["prompt_id"].to_list() == [
        refused["prompt_id"]
    ]


def test_vectors_of_two_lengths_are_an_error_that_says_what_to_do(
    lake: Lake, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(lake, home, FIRST, "one")
    keep(lake, home, ALIKE, "two")
    with serve_models() as server:
        place(lake, BY_MODEL, "one", server.address)
        monkeypatch.setattr(loopback_embeddings, "DIMENSION", 16)
        with pytest.raises(SteerworksError, match=r"16 and 32 numbers.*another `revision`"):
            place(lake, BY_MODEL, "two", server.address)


def test_topics_outlive_a_change_of_the_embedding_model(lake: Lake, home: Home) -> None:
    keep(lake, home, FIRST, "one")
    keep(lake, home, ALIKE, "two")
    place(lake, WORDS, "one")
    with serve_models() as server:
        report = place(lake, BY_MODEL, "two", server.address)
    assert report.founded <= 1
    assert purity(lake) > 0.9


@pytest.mark.parametrize(
    "prompts", [["Only one prompt here."], ["???!!!¿¿¿", "who are you?"], ["Same words here."] * 3]
)
def test_tiny_batches_and_prompts_without_a_word_that_counts_go_through(
    lake: Lake, home: Home, prompts: list[str]
) -> None:
    keep(lake, home, prompts, "tiny")
    place(lake, WORDS, "tiny")
    assert lake.read("prompt_topics").height == len(set(prompts))
    assert topic_map(lake, WORDS, "tiny").startswith("<svg")


def test_there_are_never_more_topics_than_configured(lake: Lake, home: Home) -> None:
    rules = curation(topics={"most": 5})
    keep(lake, home, FIRST, "one")
    keep(lake, home, OTHER, "two")
    assert place(lake, rules, "one").topics == 5
    assert place(lake, rules, "two").topics == 5


def test_the_map_shows_every_topic_and_the_table_its_examples(lake: Lake, home: Home) -> None:
    keep(lake, home, FIRST, "one")
    place(lake, WORDS, "one")
    svg, table = topic_map(lake, WORDS, "one"), topics_in_words(lake, "one")
    assert svg.count("<circle") == lake.rows("topics")
    assert all(topic["label"] in table for topic in lake.read("topics").to_dicts())
    assert any(prompt[:60] in table for prompt in FIRST)


def test_evenness_is_one_for_equal_counts_and_less_for_others() -> None:
    assert evenness([5, 5, 5]) == pytest.approx(1)
    assert evenness([15, 0, 0]) == pytest.approx(0)
    assert 0 < evenness([9, 5, 1]) < 1


@pytest.mark.slow
def test_the_embedded_model_embeds_too(lake: Lake, home: Home) -> None:
    models = Settings(PROJECT_ROOT / "config").models.for_curation()
    keep(lake, home, prompts_on(["cooking", "law"], 12, seed=5), "one")
    rules = curation(topics={"embedding_model": "smollm2-135m-embeddings"})
    report = assign_topics(lake, models, rules, "one", SilentProgress(), Purse())
    assert report.placed == 12
    assert set(lake.read("prompt_embeddings")["vector"].list.len()) == {576}
