"""A withdrawn prompt in the tables of the lake: its text goes, and a row that says so keeps its number or its place.

Intake numbers count on, clusters keep their names, the order of selection its places, topics their prompts: so
nothing that was decided about another prompt is decided anew, and no model is asked. Belongs here: what is left of
each row. Does not belong here: the file that was delivered (`curation.sealing`), and tasks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dagster_project.curation.delivery import PromptDelivery, delivered_batches
from dagster_project.curation.sealing import DEFECT
from dagster_project.curation.signatures import MINIMA
from dagster_project.curation.topics_words import label_of
from dagster_project.generation import conversation_hash
from dagster_project.identity import digest, stable_id
from dagster_project.lake import Session
from dagster_project.withdrawal.scope import Cut, Row, Scope, dropping, editing, marked
from dagster_project.withdrawn import WITHDRAWN

DETAIL = DEFECT.partition(": ")[2]
DROPPED_TABLES = ("prompt_topics", "prompt_complexity", "prompt_embeddings", "responses")
"""The tables that have a row of a prompt only as long as it is kept, in the order in which they may lose it."""


def cuts(scope: Scope) -> Iterator[Cut]:
    """Yield what goes from the tables of prompts and answers; what is found by another table comes before it."""
    yield from _topics(scope)
    for delivery in delivered_batches(scope.settings.home):
        yield from _batch(scope, delivery)
    yield from _selections(scope)
    for table in DROPPED_TABLES:
        yield from dropping(scope.lake, table, scope.marks)


def _batch(scope: Scope, delivery: PromptDelivery) -> Iterator[Cut]:
    """Yield what goes from the tables that have a row for each delivered row."""
    lake, partition = scope.lake, {"prompt_batch": delivery.batch}
    left = _left_of_raw(scope, delivery)
    if not left:
        return
    numbers = pa.array(sorted(left), pa.int64())

    def is_meant(rows: pa.Table) -> Any:
        return pc.is_in(rows["intake_number"], value_set=numbers)

    def edit(row: Row, table: str) -> Row:
        said = {**left[row["intake_number"]], **_SAID.get(table, {})}
        return {**row, **{name: value for name, value in said.items() if name in row}}

    for table in ("curated_prompts", "prompt_verdicts", "prompt_clusters", "prompt_signatures", "raw_prompts"):
        yield from editing(lake, table, partition, is_meant, partial(edit, table=table))


_NOT_COMPARED: Row = {"nearest": None, "similarity": None, "cluster": None, "touches": []}
_SAID: dict[str, Row] = {
    "prompt_verdicts": {"language": None, "reason": WITHDRAWN, "detail": DETAIL},
    "prompt_clusters": _NOT_COMPARED,
    "curated_prompts": {
        **_NOT_COMPARED,
        "turns": 0,
        "chars": 0,
        "kept": False,
        "reason": WITHDRAWN,
        "detail": DETAIL,
        "duplicate_of": None,
        "language": None,
    },
}
"""What tables say of a withdrawn prompt, beside what `raw_prompts` has of it."""


def _left_of_raw(scope: Scope, delivery: PromptDelivery) -> dict[int, Row]:
    """Return by intake number what is left of the batch's withdrawn rows, as a new intake would leave it."""
    marks = {"prompt_id": scope.withdrawal.prompt_ids}
    left = {}
    for path in scope.lake.parts("raw_prompts", {"prompt_batch": delivery.batch}):
        with pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                rows = file.read_row_group(group)
                mask = pc.or_(marked(rows, marks), pc.fill_null(pc.equal(rows["defect"], DEFECT), False))
                for row in rows.filter(mask).to_pylist():
                    left[row["intake_number"]] = _emptied(row["intake_number"], row["row_number"], delivery)
    return left


def _emptied(intake_number: int, row_number: int, delivery: PromptDelivery) -> Row:
    """Return what is left of a prompt, by whatever table: it is like no other any more."""
    prompt_id = stable_id("p", [delivery.sha256, row_number])
    return {
        "prompt_id": prompt_id,
        "source": delivery.source,
        "licence": delivery.licence,
        "messages": [],
        "extra": None,
        "defect": DEFECT,
        "same_text": intake_number,
        "same_letters": intake_number,
        "text_hash": int(digest(prompt_id)[:15], 16),
        "signature": bytes(MINIMA),
    }


def _selections(scope: Scope) -> Iterator[Cut]:
    """Yield what goes from `selected_prompts`: a prompt that had a place in the order leaves it empty."""
    marks = {"prompt_id": scope.withdrawal.prompt_ids}
    said: Row = {
        "messages": [],
        "conversation_hash": conversation_hash([]),
        "selected": False,
        "reason": WITHDRAWN,
        **dict.fromkeys(("completion_model", "completion_licence", "completion_may_train")),
    }
    yield from editing(
        scope.lake,
        "selected_prompts",
        None,
        lambda rows: marked(rows, marks),
        lambda row: {**row, **said} if row["place"] is not None else None,
    )


def retired_labels(scope: Scope) -> list[str]:
    """Return the labels of topics that get another one, as a word of theirs goes with the prompt."""
    spoken = _words_left(scope)
    topics = (row for row in scope.lake.read("topics").to_dicts() if row["topic_id"] in spoken)
    return [row["label"] for row in topics if _words_kept(row, spoken) != row["words"]]


def _topics(scope: Scope) -> Iterator[Cut]:
    """Yield what goes from `topics`: examples, and words that no other prompt of the topic has."""
    spoken = _words_left(scope)
    gone = scope.withdrawal.prompt_ids

    def edit(row: Row) -> Row | None:
        words = _words_kept(row, spoken)
        examples = [example for example in row["examples"] if example not in gone]
        label = row["label"] if words == row["words"] else label_of(words)
        return {**row, "words": words, "examples": examples, "label": label} if examples else None

    topics = pa.array(sorted(spoken), pa.string())
    yield from editing(scope.lake, "topics", None, lambda rows: pc.is_in(rows["topic_id"], value_set=topics), edit)


def _words_kept(topic: Row, spoken: dict[str, set[str]]) -> list[str]:
    return [word for word in topic["words"] if word in spoken[topic["topic_id"]]]


def _words_left(scope: Scope) -> dict[str, set[str]]:
    """Return for each topic of a withdrawn prompt the words of its other prompts."""
    with Session() as session:
        session.table(scope.lake, "prompt_topics")
        session.table(scope.lake, "curated_prompts")
        rows = session.query("prompts/topic_fellows", {"prompt_ids": sorted(scope.withdrawal.prompt_ids)})
    words: dict[str, set[str]] = {}
    for topic, text in rows.iter_rows():
        words.setdefault(topic, set()).update(re.findall(r"[^\W\d_]{2,}", (text or "").lower()))
    return words
