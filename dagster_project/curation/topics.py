"""`topics` and `prompt_topics`: what prompts are about.

Both tables are only ever added to. A prompt that has a topic keeps it; a topic keeps its id, its label and its
examples. A later batch joins the topics that are there, and founds new ones where its prompts are unlike all of them.

A topic is its examples: wherever it is compared with, its centre is worked out from their texts anew. So topics
outlive a change of the embedding model. Belongs here: reading and writing the tables. Does not belong here: vectors,
geometry, words, the map.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa
from filelock import FileLock

from dagster_project.curation.topics_clusters import Centres, Placed, centres_of, place
from dagster_project.curation.topics_embeddings import vectors_of_embeddings
from dagster_project.curation.topics_vectors import vectors_of_words
from dagster_project.curation.topics_words import label_of, typical_words
from dagster_project.generation import Progress, Purse, embed
from dagster_project.identity import digest, stable_id
from dagster_project.lake import TABLES, Lake, Session
from dagster_project.settings import CurationFile, ModelsFile

if TYPE_CHECKING:
    from dagster_project.curation.topics_vectors import Vectors

EXAMPLES_A_TOPIC = 32
WORDS_SPACE = "words"


@dataclass(frozen=True)
class TopicsReport:
    """Prompts of the batch that were given a topic, and topics over all batches.

    ``far`` prompts are unlike every topic, and too few of their kind for one; ``without`` had no vector.
    """

    space: str
    topics: int
    founded: int
    placed: int
    far: int
    without: int


@dataclass(frozen=True)
class _Corpus:
    """What is compared: the examples of known topics, then the prompts that wait for one."""

    known: list[str]
    examples: dict[str, list[str]]
    waiting: dict[str, str]
    texts: dict[str, str] = field(repr=False)


def assign_topics(
    lake: Lake, models: ModelsFile, curation: CurationFile, batch: str, progress: Progress, purse: Purse
) -> TopicsReport:
    """Give each kept prompt of a batch a topic; those that have one keep it.

    Raises:
        UnfinishedError: some prompts wait for their embedding.
        SteerworksError: the embedding model cannot be asked.
    """
    if slug := curation.topics.embedding_model:  # before others have to wait; the answers are kept
        early = _read(lake, curation, batch)
        embed(lake, models, slug, batch, early.texts if early.waiting else {}, progress, purse)
    (lake.root / "topics").mkdir(parents=True, exist_ok=True)
    with FileLock(lake.root / "topics" / ".lock"):  # two batches at once would found the same topic twice
        corpus = _read(lake, curation, batch)
        if not corpus.waiting:
            return _report(lake, curation, 0, None)
        vectors = _vectors(lake, models, curation, batch, corpus, progress, purse)
        placed, founded = _place(lake, curation, batch, corpus, vectors)
        _write_placed(lake, batch, corpus, placed, [*corpus.known, *founded])
        return _report(lake, curation, len(founded), placed)


def text_of(messages: Sequence[Mapping[str, str]], chars: int) -> str:
    """Return what counts of a prompt for its topic: the beginning of what the user says."""
    return "\n".join(turn["content"] for turn in messages if turn["role"] == "user")[:chars]


def _read(lake: Lake, curation: CurationFile, batch: str) -> _Corpus:
    chars = curation.topics.chars
    with Session() as session:
        session.table(lake, "topics")
        session.table(lake, "curated_prompts")
        examples = session.query("prompts/topic_examples")
        for table in ("curated_prompts", "prompt_topics"):
            session.table(lake, table, {"prompt_batch": batch})
        waiting: dict[str, str] = {}
        for rows in session.stream("prompts/without_topic"):
            waiting |= _texts(pl.DataFrame(rows), chars)
    by_topic: dict[str, list[str]] = {}
    for topic, prompt in examples.select("topic_id", "prompt_id").iter_rows():
        by_topic.setdefault(topic, []).append(prompt)
    old = {prompt: text for prompt, text in _texts(examples, chars).items() if prompt not in waiting}
    return _Corpus(list(by_topic), by_topic, waiting, old | waiting)


def _texts(rows: pl.DataFrame, chars: int) -> dict[str, str]:
    return {prompt: text_of(turns, chars) for prompt, turns in rows.select("prompt_id", "messages").iter_rows()}


def _vectors(
    lake: Lake,
    models: ModelsFile,
    curation: CurationFile,
    batch: str,
    corpus: _Corpus,
    progress: Progress,
    purse: Purse,
) -> Vectors:
    """Return the vectors of all texts of the corpus, in their order: examples first."""
    slug = curation.topics.embedding_model
    if slug is None:
        return vectors_of_words(list(corpus.texts.values()), curation.topics.seed)
    return vectors_of_embeddings(lake, models, slug, batch, corpus.texts, corpus.waiting.keys(), progress, purse)


def _place(
    lake: Lake, curation: CurationFile, batch: str, corpus: _Corpus, vectors: Vectors
) -> tuple[Placed, list[str]]:
    """Place the waiting prompts, and write the topics that they found; return these topics' ids."""
    import numpy as np  # noqa: PLC0415 - loads slowly

    row_of = {prompt: row for row, prompt in enumerate(corpus.texts)}
    examples = [vectors[[row_of[prompt] for prompt in corpus.examples[topic]]] for topic in corpus.known]
    rows = np.array([row_of[prompt] for prompt in corpus.waiting], dtype=np.int64)
    rules = curation.topics
    known: Centres | None = centres_of(examples) if examples else None
    placed = place(vectors, rows, known, max(0, rules.most - len(examples)), rules.smallest, rules.seed)
    prompts = list(corpus.waiting)
    members: list[list[int]] = [[] for _ in range(len(placed.centres) - len(examples))]
    for row, (topic, far) in enumerate(zip(placed.topics.tolist(), placed.far.tolist(), strict=True)):
        if topic >= len(examples) and not far:
            members[topic - len(examples)].append(row)
    words = _words(corpus, [[prompts[row] for row in rows] for rows in members])
    founded = [
        _topic(batch, [prompts[row] for row in rows], placed, rows, words[number], rules.embedding_model)
        for number, rows in enumerate(members)
    ]
    _add(lake, "topics", batch, pa.Table.from_pylist(founded, TABLES["topics"].schema))
    return placed, [topic["topic_id"] for topic in founded]


def _words(corpus: _Corpus, founded: Sequence[Sequence[str]]) -> list[list[str]]:
    """Return the typical words of new topics, beside the known ones."""
    if not founded:
        return []
    everything = [*corpus.examples.values(), *founded]
    return typical_words([[corpus.texts[prompt] for prompt in prompts] for prompts in everything])[-len(founded) :]


def _topic(
    batch: str, prompts: Sequence[str], placed: Placed, rows: Sequence[int], words: list[str], space: str | None
) -> dict[str, Any]:
    # Prompt ids are hashes: the first of them are a sample.
    examples = sorted(zip(prompts, rows, strict=True))[:EXAMPLES_A_TOPIC]
    examples.sort(key=lambda example: (-placed.cosines[example[1]], example[0]))
    return {
        "prompt_batch": batch,
        "topic_id": stable_id("topic", sorted(prompts)),
        "label": label_of(words),
        "words": words,
        "examples": [prompt for prompt, _ in examples],
        "size": len(prompts),
        "centroid": placed.centres[placed.topics[rows[0]]].tolist(),
        "space": space or WORDS_SPACE,
    }


def _write_placed(lake: Lake, batch: str, corpus: _Corpus, placed: Placed, topics: Sequence[str]) -> None:
    has_topic = placed.topics >= 0
    columns = {
        "prompt_batch": pa.array([batch] * len(has_topic)),
        "prompt_id": pa.array(list(corpus.waiting)),
        "topic_id": pa.array([topics[topic] if topic >= 0 else None for topic in placed.topics.tolist()], pa.string()),
        "similarity": pa.array(placed.cosines, pa.float64(), mask=~has_topic),
        "is_far": pa.array(placed.far),
    }
    _add(lake, "prompt_topics", batch, pa.table(columns))


def _add(lake: Lake, table: str, batch: str, rows: pa.Table) -> None:
    """Add rows as a part that is named by what it holds; none for no rows."""
    if rows.num_rows:
        part = digest([list(key.values()) for key in rows.select(TABLES[table].grain).to_pylist()])[:20]
        lake.add(table, {"prompt_batch": batch}, part, rows)


def _report(lake: Lake, curation: CurationFile, founded: int, placed: Placed | None) -> TopicsReport:
    where: Counter[str] = Counter()
    if placed is not None:
        where["without"] = int((placed.topics < 0).sum())
        where["far"] = int(placed.far.sum())
        where["placed"] = len(placed.topics) - where["without"]
    return TopicsReport(
        space=curation.topics.embedding_model or WORDS_SPACE,
        topics=lake.rows("topics"),
        founded=founded,
        placed=where["placed"],
        far=where["far"],
        without=where["without"],
    )
