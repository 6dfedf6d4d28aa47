"""`prompt_clusters`: for each prompt the earlier one that it is most like, and the cluster that it joins.

A prompt is compared with the sound prompts taken in before it, whichever batch they are in and
whether or not they are duplicates themselves; it joins the cluster of the nearest. So a batch's
clusters follow from it and from the batches before it, and a later batch never changes them. A
prompt that is like members of two clusters joins one and touches the other. Signatures only say which
prompts to compare: their texts decide. Belongs here: that step, for one batch. Does not belong
here: which batches need it (`index`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from dagster_project.curation.jaccard import Similarities, jaccard
from dagster_project.curation.neighbours import Numbers, earlier_neighbours
from dagster_project.curation.normalising import squeeze_turns
from dagster_project.curation.signatures import MINIMA, Signatures
from dagster_project.lake import Lake, Session

VERSION = 2
NEAR = pa.schema(
    [
        ("intake_number", pa.int64()),
        ("nearest", pa.int64()),
        ("similarity", pa.float32()),
        ("cluster", pa.string()),
        ("touches", pa.list_(pa.string())),
    ]
)


@dataclass(frozen=True)
class _Comparable:
    """The prompts that others are compared with, in order of intake; new ones are a cluster each as yet."""

    numbers: list[int]
    clusters: list[str]
    signatures: Signatures
    first_new: int


@dataclass(frozen=True)
class _Alike:
    """Pairs of rows, later and earlier, and how similar their texts are, 0 to 1."""

    later: Numbers
    earlier: Numbers
    similarities: Similarities


def cluster_batch(lake: Lake, batch: str, numbers: tuple[int, int], cluster_from: float, made_from: str) -> None:
    """Write the `prompt_clusters` partition of a batch.

    Args:
        lake: has the prompts, signatures and verdicts of this batch and of all before it, and their clusters.
        batch: the prompt batch.
        numbers: its first and its last intake number.
        cluster_from: the least similarity to be of one cluster, 0 to 1.
        made_from: hash of all that the clusters follow from.
    """
    bounds = {"prompt_batch": batch, "first_number": numbers[0], "last_number": numbers[1]}
    with Session() as session:
        for table in ("raw_prompts", "prompt_signatures", "prompt_verdicts", "prompt_clusters"):
            session.table(lake, table)
        session.create("kinds", "prompts/kinds", bounds)
        session.create("comparable", "prompts/comparable", bounds)
        comparable = _comparable(session, numbers[0])
        alike = _alike(session, comparable, cluster_from)
        session.frame("near", pa.Table.from_pylist(list(_joined(comparable, alike)), NEAR))
        rows = session.query("prompts/prompt_clusters", bounds)
    lake.write("prompt_clusters", {"prompt_batch": batch}, rows, made_from)


def _comparable(session: Session, first_number: int) -> _Comparable:
    rows = session.arrow("comparable").sort_by("intake_number")
    numbers = rows["intake_number"].to_pylist()
    packed = [chunk.cast(pa.binary(MINIMA)) for chunk in rows["signature"].chunks]
    bytes_of = [np.frombuffer(chunk.buffers()[1], np.uint8)[: len(chunk) * MINIMA] for chunk in packed]
    signatures = np.concatenate([np.zeros(0, np.uint8), *bytes_of]).reshape(-1, MINIMA)
    return _Comparable(
        numbers, rows["cluster"].to_pylist(), signatures, int(np.searchsorted(numbers, first_number, "left"))
    )


def _alike(session: Session, comparable: _Comparable, cluster_from: float) -> _Alike:
    pairs = earlier_neighbours(comparable.signatures, cluster_from, comparable.first_new)
    compared, places = np.unique(np.concatenate([pairs.later, pairs.earlier]), return_inverse=True)
    texts = _texts(session, [comparable.numbers[row] for row in compared.tolist()])
    later, earlier = np.split(places, 2)
    similarities = jaccard(texts, later, earlier)
    alike = similarities >= cluster_from
    return _Alike(pairs.later[alike], pairs.earlier[alike], similarities[alike])


def _texts(session: Session, numbers: list[int]) -> list[str]:
    """Return the squeezed texts of prompts, by their intake numbers; no other prompt is read."""
    session.frame("compared", pa.table({"intake_number": pa.array(numbers, pa.int64())}))
    texts: list[str] = []
    for rows in session.stream("prompts/compared_turns"):
        texts += [squeeze_turns(turns) for turns in rows["turns"].to_pylist()]
    return texts


def _joined(comparable: _Comparable, alike: _Alike) -> Iterator[dict[str, Any]]:
    """Have each new prompt join the cluster of its nearest neighbour, in order of intake."""
    numbers, clusters = comparable.numbers, comparable.clusters
    order = np.lexsort((alike.earlier, -alike.similarities, alike.later))
    laters, begins = np.unique(alike.later[order], return_index=True)
    ends = np.append(begins, len(order))[1:]
    for later, begin, end in zip(laters.tolist(), begins.tolist(), ends.tolist(), strict=True):
        neighbours = order[begin:end]
        own = clusters[alike.earlier[neighbours[0]]]
        clusters[later] = own
        yield {
            "intake_number": numbers[later],
            "nearest": numbers[alike.earlier[neighbours[0]]],
            "similarity": float(alike.similarities[neighbours[0]]),
            "cluster": own,
            "touches": sorted({clusters[earlier] for earlier in alike.earlier[neighbours]} - {own}),
        }
