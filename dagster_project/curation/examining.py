"""Reading each prompt of a batch once: its signature, and what the filters and benchmarks say of it.

Writes `prompt_signatures` and `prompt_verdicts`. Both follow from the prompts of the batch alone,
so they are made once and stay, whatever batches come. Belongs here: that pass, on all cores.
Does not belong here: what other prompts have to do with it (`clustering`).
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from dagster_project.curation.benchmarks import BenchmarkIndex
from dagster_project.curation.filters.chain import FilterChain, Subject, Verdict
from dagster_project.curation.normalising import squeeze_turns
from dagster_project.curation.signatures import Signatures, sign
from dagster_project.lake import TABLES, Lake
from dagster_project.settings import CurationFile

READ = ("prompt_batch", "intake_number", "prompt_id", "licence", "messages", "defect")
ROWS_AT_ONCE = 4096
ALONE_UP_TO = 3 * ROWS_AT_ONCE
"""Rows for which no other process is started: starting one takes a second."""


@dataclass(frozen=True)
class Task:
    """What is to be made: signatures, verdicts, or both."""

    sign: bool
    judge: bool


@dataclass(frozen=True)
class Examined:
    """What became of some rows, in the shape of the tables."""

    signatures: pa.Table | None
    verdicts: pa.Table | None


class Examiner:
    """Examines prompts by one configuration; the rules and benchmarks are read once.

    Raises:
        SteerworksError: a list of rules, a benchmark or a scorer cannot be read.
    """

    def __init__(self, curation: CurationFile) -> None:
        self._benchmarks = BenchmarkIndex.load(curation.benchmarks)
        self._filters = FilterChain(curation.length, curation.filters)

    def examine(self, rows: pa.RecordBatch, task: Task) -> Examined:
        """Return signatures and verdicts of some rows of `raw_prompts`."""
        records = rows.to_pylist()
        subjects = [_subject(record) for record in records]
        texts = [squeeze_turns(subject.turns) for subject in subjects]
        signatures = sign(texts)
        return Examined(
            _signature_rows(rows, records, texts, signatures) if task.sign else None,
            _verdict_rows(rows, self._judge(subjects, texts, signatures)) if task.judge else None,
        )

    def _judge(self, subjects: Sequence[Subject], texts: Sequence[str], signatures: Signatures) -> list[Verdict]:
        overlaps = self._benchmarks.overlaps(texts, signatures)
        return self._filters.judge(subjects, {at: overlap.detail for at, overlap in overlaps.items()})


def examine_batch(lake: Lake, curation: CurationFile, batch: str, hashes: dict[str, str]) -> None:
    """Write those of a batch's two tables that ``hashes`` names, with the hash of all that they follow from."""
    partition = {"prompt_batch": batch}
    task = Task("prompt_signatures" in hashes, "prompt_verdicts" in hashes)
    with ExitStack() as stack:
        write = {
            table: stack.enter_context(lake.streaming(table, partition, made_from))
            for table, made_from in hashes.items()
        }
        for examined in _examined(lake, curation, batch, task):
            for table, rows in (("prompt_signatures", examined.signatures), ("prompt_verdicts", examined.verdicts)):
                if rows is not None:
                    write[table](rows)


def _examined(lake: Lake, curation: CurationFile, batch: str, task: Task) -> Iterator[Examined]:
    partition = {"prompt_batch": batch}
    parts = lake.batches("raw_prompts", partition, READ, ROWS_AT_ONCE)
    workers = len(os.sched_getaffinity(0))
    if workers == 1 or lake.rows("raw_prompts", partition) <= ALONE_UP_TO:
        examiner = Examiner(curation)
        yield from (examiner.examine(part, task) for part in parts)
        return
    Examiner(curation)  # a mistake in the configuration is told here, and not by a process that breaks
    with _pool(workers, curation) as pool:
        waiting: list[Future[Examined]] = []
        for part in parts:
            waiting.append(pool.submit(_examine, part, task))
            if len(waiting) > 2 * workers:
                yield waiting.pop(0).result()
        yield from (future.result() for future in waiting)


@contextmanager
def _pool(workers: int, curation: CurationFile) -> Iterator[ProcessPoolExecutor]:
    """Give processes that have an examiner each; each keeps to one core."""
    before = os.environ.get("POLARS_MAX_THREADS")
    os.environ["POLARS_MAX_THREADS"] = "1"
    try:
        spawning = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, spawning, initializer=_begin, initargs=(curation,)) as pool:
            yield pool
    finally:
        if before is None:
            del os.environ["POLARS_MAX_THREADS"]
        else:
            os.environ["POLARS_MAX_THREADS"] = before


_examiner: Examiner | None = None


def _begin(curation: CurationFile) -> None:
    global _examiner
    _examiner = Examiner(curation)


def _examine(rows: pa.RecordBatch, task: Task) -> Examined:
    if _examiner is None:
        raise RuntimeError("the process was not begun with an examiner")
    return _examiner.examine(rows, task)


def _subject(record: dict[str, Any]) -> Subject:
    turns = [message["content"] for message in record["messages"] if message["role"] == "user"]
    return Subject(turns, record["licence"], record["defect"])


def _signature_rows(
    rows: pa.RecordBatch, records: Sequence[dict[str, Any]], texts: Sequence[str], signatures: Signatures
) -> pa.Table:
    hashes = [_text_hash(text, record) for text, record in zip(texts, records, strict=True)]
    packed = pa.array([signature.tobytes() for signature in signatures], pa.binary())
    columns = [rows["prompt_batch"], rows["intake_number"], rows["prompt_id"], pa.array(hashes, pa.int64()), packed]
    return pa.Table.from_arrays(columns, schema=TABLES["prompt_signatures"].schema)


def _text_hash(text: str, record: dict[str, Any]) -> int:
    """Return the hash of a text's letters; a text without a single one is compared as it stands."""
    counted = text if text.strip() else record["prompt_id"]
    return int.from_bytes(hashlib.blake2b(counted.encode(), digest_size=8).digest(), "little", signed=True)


def _verdict_rows(rows: pa.RecordBatch, verdicts: Sequence[Verdict]) -> pa.Table:
    told = [
        pa.array([getattr(verdict, name) for verdict in verdicts], pa.string())
        for name in ("language", "reason", "detail")
    ]
    columns = [rows["prompt_batch"], rows["intake_number"], *told]
    return pa.Table.from_arrays(columns, schema=TABLES["prompt_verdicts"].schema)
