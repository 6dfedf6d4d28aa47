"""The `responses` partition of a cell, made from the journals: a row for each wanted request.

Belongs here: rows and the figures of a cell, as a stream, so that memory does not grow with the cell. Does not
belong here: asking.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from dagster_project.generation.answers import Answer, AnswersOf
from dagster_project.generation.known import KnownAnswers
from dagster_project.generation.requests import Request
from dagster_project.lake import TABLES
from dagster_project.lake.columns import column
from dagster_project.settings import ModelSpec

BUDGET_REASON = "budget"
PENDING_REASON = "batch_pending"
PROMPTS_AT_A_TIME = 128
LEAST_ROWS_A_GROUP, MOST_ROWS_A_GROUP = 1024, 4096
ROWS_BEFORE_A_ROW = 32
"""A row group has one row for so many before it, within bounds: what is held about each group stays little."""
MOST_BYTES_A_GROUP = 8 << 20
"""All of these numbers decide the file's bytes."""
MOST_LATENCIES = 1 << 14
"""From so many on, every second is left out: enough for the 99th percentile."""
_SCHEMA = TABLES["responses"].schema
_OF_THE_REQUEST = ("model", "prompt_batch", "prompt_id", "sample_index", "conversation_hash", "response_id")
"""An answer may have been given to another prompt or model with the same hash."""


class Unsettled:
    """Requests without an answer that could be kept: their tries were used up, or the money did not reach for them.

    Attributes:
        pending: hashes of those that a batch is out for.
    """

    def __init__(self, spec: ModelSpec) -> None:
        self.pending: set[str] = set()
        self._records = AnswersOf(spec)
        self._reasons: dict[str, tuple[str, int]] = {}

    def note(self, answer: Answer) -> None:
        """Keep why a request failed, and after how many tries, in less room than the answer takes."""
        self._reasons[answer.request_hash] = (answer.reason or "", answer.attempts)

    def __contains__(self, request_hash: str) -> bool:
        """Say whether this run has tried it already, or a batch is out for it."""
        return request_hash in self._reasons or request_hash in self.pending

    def answer_to(self, request: Request) -> Answer:
        """Return the record of a request that no journal knows; not listed are those that were never sent."""
        unlisted = (PENDING_REASON, 1) if request.request_hash in self.pending else (BUDGET_REASON, 0)
        reason, attempts = self._reasons.get(request.request_hash, unlisted)
        return self._records.unsettled(request, reason, attempts)


@dataclass
class Figures:
    """What the rows of a cell add up to. Latencies are in seconds, of answers; of very many, an even sample."""

    rows: int = 0
    ok: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    prompt_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0
    cost_usd: float = 0.0
    attempts: int = 0
    latencies: array[float] = field(default_factory=lambda: array("f"))
    _every: int = 1

    def count(self, answer: Answer) -> None:
        """Take one row in."""
        self.rows += 1
        self.attempts += answer.attempts
        self.cost_usd += answer.cost_usd
        self.prompt_tokens += answer.prompt_tokens or 0
        self.completion_tokens += answer.completion_tokens or 0
        self.reasoning_tokens += answer.reasoning_tokens or 0
        if answer.status == "ok":
            self.ok += 1
            if answer.seconds is not None and self.ok % self._every == 0:
                self._note(answer.seconds)
        else:
            self.failed[answer.reason or "unknown"] += 1

    def _note(self, seconds: float) -> None:
        self.latencies.append(seconds)
        if len(self.latencies) == MOST_LATENCIES:
            self.latencies = self.latencies[::2]
            self._every *= 2

    def latency(self, share: float) -> float | None:
        """Return the smallest latency that at least this share of the answers does not exceed."""
        values = sorted(self.latencies)
        return round(values[max(0, math.ceil(share * len(values)) - 1)], 6) if values else None


class Rows:
    """Makes the rows of a cell, in the table's order, and adds them up.

    Args:
        unsettled: says what became of requests that have no answer.

    Attributes:
        figures: of the rows that were made.
    """

    def __init__(self, unsettled: Unsettled) -> None:
        self.figures = Figures()
        self._unsettled = unsettled
        self._group: list[pa.Table] = []

    def add(self, requests: Sequence[Request], answers: Mapping[str, Answer]) -> pa.Table | None:
        """Make rows of requests and the answers to them, by request hash; return a group of rows once it is whole."""
        paired = [(r, answers.get(r.request_hash) or self._unsettled.answer_to(r)) for r in requests]
        self._group.append(_table(paired))
        for _, answer in paired:
            self.figures.count(answer)
        return self.rest() if _is_whole(self._group, self.figures.rows) else None

    def rest(self) -> pa.Table | None:
        """Return the rows that were not returned yet, if there are any."""
        group, self._group = self._group, []
        return pa.concat_tables(group) if group else None


def rows_as_journalled(
    requests: Iterable[list[Request]], own: Path, known: KnownAnswers, unsettled: Unsettled
) -> Iterator[pa.Table]:
    """Yield the rows of requests of one cell as the journals have them, in groups.

    Raises:
        SteerworksError: a journal's line is no answer.
    """
    rows = Rows(unsettled)
    for some in requests:
        if group := rows.add(some, known.find(own, [request.request_hash for request in some])):
            yield group
    if group := rows.rest():
        yield group


def _is_whole(group: Sequence[pa.Table], rows_so_far: int) -> bool:
    wanted = min(max(LEAST_ROWS_A_GROUP, rows_so_far // ROWS_BEFORE_A_ROW), MOST_ROWS_A_GROUP)
    rows = sum(table.num_rows for table in group)
    return bool(rows >= wanted or sum(table.nbytes for table in group) >= MOST_BYTES_A_GROUP)


def _table(paired: Sequence[tuple[Request, Answer]]) -> pa.Table:
    """Make rows of answers as the journal has them, and of what the request says in their stead."""
    if not paired:
        return _SCHEMA.empty_table()
    told = zip(Answer._fields, zip(*(answer for _, answer in paired), strict=True), strict=True)
    asked = ((name, [getattr(request, name) for request, _ in paired]) for name in _OF_THE_REQUEST)
    values = {**dict(told), **dict(asked)}
    return pa.table([column(values[field.name], field.type) for field in _SCHEMA], schema=_SCHEMA)
