"""One cell of the responses: a model's answers to a prompt batch, asked for where they are not known yet.

Belongs here: what is wanted, what is known, and the `responses` partition that follows. Does not
belong here: how a single request fares (`asking`).
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from dagster_project.errors import SteerworksError
from dagster_project.generation.answers import Answer
from dagster_project.generation.asking import Asker
from dagster_project.generation.budget import Budget, Purse
from dagster_project.generation.endpoints import connect
from dagster_project.generation.journal import Journal, find_answers, journal_path, only_one_process
from dagster_project.generation.progress import Progress
from dagster_project.generation.requests import Request, requests_of_cell, spec_of
from dagster_project.lake import TABLES, Lake
from dagster_project.settings import ModelsFile


@dataclass(frozen=True)
class CellReport:
    """What a cell holds, and what this run did for it.

    ``wanted`` requests are ``ok`` or in ``failed``, by reason; tokens are those of all of them.
    This run sent ``sent`` requests to have ``asked`` of them settled, spent ``cost_usd`` US dollars and took
    ``seconds``; ``reused`` were known before. Latencies, in seconds, are of the cell's answers.
    """

    model: str
    prompt_batch: str
    wanted: int
    asked: int
    reused: int
    sent: int
    ok: int
    failed: dict[str, int]
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float
    seconds: float
    latency_median: float | None
    latency_95th: float | None


@dataclass
class OpenCell:
    """A cell whose lock this process holds. Requests may be settled in several rounds.

    The counters are of this run: ``done`` and ``failed`` of ``total`` wanted; ``reused``, known
    before; ``asked``, in ``sent`` requests over the wire; ``spent_usd``.
    """

    lake: Lake
    models: ModelsFile
    model: str
    journal: Path
    progress: Progress
    purse: Purse
    done: int = 0
    failed: int = 0
    total: int = 0
    reused: int = 0
    asked: int = 0
    sent: int = 0
    spent_usd: float = 0.0
    _answers: dict[str, Answer] = field(default_factory=dict)

    def settle(self, requests: Sequence[Request]) -> dict[str, Answer]:
        """Return what became of each request, by request hash; ask only for what no journal knows.

        Raises:
            SteerworksError: no request to this model can succeed for now; the text says why.
        """
        wanted = {request.request_hash: request for request in requests}
        self.total += len(wanted)
        self._answers = find_answers(self.lake.root, self.journal, wanted)
        known = Counter(answer.status for answer in self._answers.values())
        self.done, self.failed = self.done + known["ok"], self.failed + known["failed"]
        self.reused += len(self._answers)
        self._tell()
        missing = [request for key, request in wanted.items() if key not in self._answers]
        if missing:
            asyncio.run(self._ask(missing))
        return self._answers

    async def _ask(self, missing: list[Request]) -> None:
        budget = Budget(self.models.models[self.model].prices, self.purse)
        async with connect(self.models, self.model) as connection:
            journal = Journal(self.journal)
            asker = Asker(connection, self.models, self.model, journal, budget, self._take)
            try:
                await asker.ask(missing)
            finally:
                journal.close()
                self.sent += asker.sent

    def _take(self, answer: Answer) -> None:
        self._answers[answer.request_hash] = answer
        self.asked += answer.attempts > 0
        self.spent_usd += answer.cost_usd
        self.done += answer.status == "ok"
        self.failed += answer.status == "failed"
        self._tell()

    def _tell(self) -> None:
        self.progress.update(self.model, self.done, self.failed, self.total, self.spent_usd)


@contextmanager
def open_cell(
    lake: Lake,
    models: ModelsFile,
    model: str,
    prompt_batch: str,
    progress: Progress,
    purse: Purse,
    purpose: str = "",
) -> Iterator[OpenCell]:
    """Open a cell for this process alone; wait while another has it."""
    spec_of(models, model)
    journal = journal_path(lake.root, model, prompt_batch, purpose)
    with only_one_process(journal, progress):
        yield OpenCell(lake, models, model, journal, progress, purse)


def answer_cell(
    lake: Lake,
    models: ModelsFile,
    model: str,
    prompt_batch: str,
    progress: Progress,
    purse: Purse | None = None,
) -> CellReport:
    """Make one partition of `responses`: a row for each selected prompt and sample of a batch.

    What any journal of the lake knows by request hash is not asked for again. Faults that the
    next run may find gone, and requests that the money did not reach for (reason ``budget``), are
    failed rows that the next run asks for.

    Args:
        lake: where `selected_prompts` is read and `responses` is written.
        models: endpoints and models.
        model: slug of the model.
        prompt_batch: the batch.
        progress: told after each answer.
        purse: the run's money, which this cell takes from, even if it fails; None for no limit. The
            limit is never exceeded as long as the server is paid for no more tokens than it counts.

    Raises:
        SteerworksError: the batch or the model is unknown, the endpoint is down or turns everything
            away, or the disk does not take an answer. Answers until then are kept.
    """
    started = time.monotonic()
    requests = requests_of_cell(models, model, prompt_batch, _selected(lake, prompt_batch))
    with open_cell(lake, models, model, prompt_batch, progress, purse or Purse()) as cell:
        answers = cell.settle(requests)
        rows = [answers[request.request_hash].row(request) for request in requests]
        table = pa.Table.from_pylist(rows, TABLES["responses"].schema)
        lake.write("responses", {"model": model, "prompt_batch": prompt_batch}, table)
    return _report(cell, prompt_batch, requests, answers, time.monotonic() - started)


def _selected(lake: Lake, prompt_batch: str) -> Iterator[Mapping[str, object]]:
    partition = {"prompt_batch": prompt_batch}
    if not lake.exists("selected_prompts", partition):
        raise SteerworksError(
            f"the prompt batch `{prompt_batch}` has no `selected_prompts` yet. Take its prompts in, and materialise "
            "`selected_prompts` for it, first."
        )
    return lake.read("selected_prompts", partition).iter_rows(named=True)


def _report(
    cell: OpenCell, prompt_batch: str, requests: Sequence[Request], answers: Mapping[str, Answer], seconds: float
) -> CellReport:
    wanted = [answers[request.request_hash] for request in requests]
    reasons = Counter(answer.reason for answer in wanted if answer.reason)
    latencies = sorted(answer.seconds for answer in wanted if answer.status == "ok" and answer.seconds is not None)
    return CellReport(
        model=cell.model,
        prompt_batch=prompt_batch,
        wanted=len(wanted),
        asked=cell.asked,
        reused=cell.reused,
        sent=cell.sent,
        ok=sum(answer.status == "ok" for answer in wanted),
        failed=dict(sorted(reasons.items())),
        prompt_tokens=sum(answer.prompt_tokens or 0 for answer in wanted),
        completion_tokens=sum(answer.completion_tokens or 0 for answer in wanted),
        cost_usd=cell.spent_usd,
        seconds=round(seconds, 3),
        latency_median=_quantile(latencies, 0.5),
        latency_95th=_quantile(latencies, 0.95),
    )


def _quantile(values: Sequence[float], share: float) -> float | None:
    """The smallest value that at least this share of the sorted values does not exceed."""
    return values[max(0, math.ceil(share * len(values)) - 1)] if values else None
