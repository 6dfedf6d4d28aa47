"""The map of topics: a circle for each, like subjects near each other, as far as two dimensions can show it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from dagster_project.curation.plots import Circle, circle_map
from dagster_project.curation.topics import WORDS_SPACE, text_of
from dagster_project.curation.topics_vectors import of_length_one, vectors_of_words
from dagster_project.lake import Lake, Session
from dagster_project.settings import CurationFile

if TYPE_CHECKING:
    from dagster_project.curation.topics_vectors import Vectors

NAMED = 40
EXAMPLES_SHOWN = 3
MOST_ROWS = 60
EXAMPLE_CHARACTERS = 90


def topic_map(lake: Lake, curation: CurationFile, batch: str) -> str:
    """Return the map of all topics as SVG, those that the batch founded in another colour.

    Places are the first two principal components of the topics' centres: as the embedding model has them if all
    topics come from one, otherwise of the words of their examples.
    """
    import numpy as np  # noqa: PLC0415 - loads slowly

    topics = lake.read("topics").sort("topic_id")
    if topics.is_empty():
        return circle_map("no topics yet", [], 0)
    centres = _centres(lake, curation, topics)
    spread = centres - centres.mean(axis=0)
    _, _, axes = np.linalg.svd(spread, full_matrices=False)
    places = spread @ axes[:2].T
    if places.shape[1] < 2:
        places = np.pad(places, ((0, 0), (0, 2 - places.shape[1])))
    sizes = dict(_sizes(lake).select("topic_id", "prompts").iter_rows())
    circles = [
        Circle(label, float(x), float(y), sizes[topic], founder == batch)
        for (topic, label, founder), (x, y) in zip(
            topics.select("topic_id", "label", "prompt_batch").iter_rows(), places, strict=True
        )
    ]
    return circle_map(f"{len(circles)} topics; blue: founded by {batch}", circles, NAMED)


def topics_in_words(lake: Lake, batch: str) -> str:
    """Return Markdown: the largest topics with their size over all batches and in this one, and examples."""
    with Session() as session:
        session.table(lake, "topics")
        session.table(lake, "curated_prompts")
        examples = session.query("prompts/topic_examples")
    shown: dict[str, list[str]] = {}
    order = {row["topic_id"]: row["examples"] for row in lake.read("topics").iter_rows(named=True)}
    texts = {prompt: text_of(turns, EXAMPLE_CHARACTERS) for _, prompt, turns in examples.iter_rows()}
    for topic, prompts in order.items():
        shown[topic] = [texts[prompt] for prompt in prompts if prompt in texts][:EXAMPLES_SHOWN]
    here = dict(lake.read("prompt_topics", {"prompt_batch": batch})["topic_id"].drop_nulls().value_counts().iter_rows())
    lines = ["| topic | founded by | prompts | of this batch | examples |", "| --- | --- | ---: | ---: | --- |"]
    for topic, label, founder, prompts in _sizes(lake).head(MOST_ROWS).iter_rows():
        cells = " · ".join(" ".join(text.replace("|", "\\|").split()) for text in shown[topic])
        lines.append(f"| {label} | {founder} | {prompts} | {here.get(topic, 0)} | {cells} |")
    return "\n".join(lines)


def _sizes(lake: Lake) -> pl.DataFrame:
    with Session() as session:
        session.table(lake, "topics")
        session.table(lake, "prompt_topics")
        return session.query("prompts/topic_sizes")


def _centres(lake: Lake, curation: CurationFile, topics: pl.DataFrame) -> Vectors:
    import numpy as np  # noqa: PLC0415 - loads slowly

    spaces = set(topics["space"])
    if len(spaces) == 1 and WORDS_SPACE not in spaces:
        return np.array(topics["centroid"].to_list(), dtype=np.float32)
    with Session() as session:
        session.table(lake, "topics")
        session.table(lake, "curated_prompts")
        examples = session.query("prompts/topic_examples")
    texts = [text_of(turns, curation.topics.chars) for turns in examples["messages"]]
    vectors = vectors_of_words(texts, curation.topics.seed)
    of_topic = examples["topic_id"].to_list()
    rows: dict[str, list[int]] = {topic: [] for topic in topics["topic_id"]}
    for row, topic in enumerate(of_topic):
        rows[topic].append(row)
    zeros = np.zeros(vectors.shape[1], dtype=np.float32)
    return of_length_one(np.stack([vectors[some].mean(axis=0) if some else zeros for some in rows.values()]))
