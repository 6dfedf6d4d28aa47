"""Filling one cell: its requests are settled, and meanwhile its partition of `responses` is written.

Belongs here: the two side by side, and the report. Does not belong here: settling (`cell`), and rows (`table`).
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from functools import partial

from dagster_project.errors import SteerworksError
from dagster_project.generation.cell import OpenCell
from dagster_project.generation.following import Following
from dagster_project.generation.requests import RequestForm, requests_in_cell
from dagster_project.generation.table import PROMPTS_AT_A_TIME, Figures, Rows
from dagster_project.settings import ModelsFile


@dataclass(frozen=True)
class CellReport:
    """What a cell holds, and what this run did for it.

    ``wanted`` requests are ``ok`` or in ``failed``, by reason; tokens, ``cost_usd`` in US dollars and latencies in
    seconds are those of all of them. This run sent ``sent`` requests to have ``asked`` of them settled, ``retries`` of
    them again after faults, spent ``spent_usd`` US dollars, on tries that came to nothing too, and took ``seconds``;
    ``reused`` were known before. For it ``tokens_per_second`` were written, None if it had nothing to ask.
    """

    model: str
    prompt_batch: str
    wanted: int
    asked: int
    reused: int
    sent: int
    retries: int
    ok: int
    failed: dict[str, int]
    prompt_tokens: int
    completion_tokens: int
    reasoning_tokens: int
    cost_usd: float
    spent_usd: float
    seconds: float
    tokens_per_second: float | None
    latency_median: float | None
    latency_95th: float | None
    latency_99th: float | None


async def fill_cell(cell: OpenCell, models: ModelsFile) -> CellReport:
    """Have a cell answered, and make its partition of `responses`.

    Raises:
        SteerworksError: the batch or the model is unknown, the endpoint is down or turns everything
            away, or the disk does not take an answer or the table. Answers until then are kept.
    """
    started = time.monotonic()
    form = RequestForm(models, cell.model)
    wanted = requests_in_cell(cell.lake, form.spec, cell.prompt_batch)
    table = asyncio.create_task(_write_table(cell, form, cell.follow()))
    try:
        await cell.settle(partial(form.of_cell, cell.lake, cell.prompt_batch, PROMPTS_AT_A_TIME), wanted)
    except BaseException:
        table.cancel()
        await asyncio.gather(table, return_exceptions=True)
        raise
    return _report(cell, await table, cell.collecting_seconds + time.monotonic() - started)


async def _write_table(cell: OpenCell, form: RequestForm, following: Following) -> Figures:
    """Write the rows of a cell in their order, each list of them once it is settled."""
    await following.begun()
    partition = {"model": cell.model, "prompt_batch": cell.prompt_batch}
    rows = Rows(cell.unsettled)
    try:
        cell.lake.clear_unfinished("responses", partition)  # what a killed run left
        with cell.lake.streaming("responses", partition) as write:
            for requests in form.of_cell(cell.lake, cell.prompt_batch, PROMPTS_AT_A_TIME):
                if group := rows.add(requests, await cell.answers_to(requests, following)):
                    write(group)
                await following.pause()  # this and other cells are asking meanwhile
            if group := rows.rest():
                write(group)
    except OSError as error:
        problem = (
            f"{cell.lake.root / 'responses'}: the table of {cell.model}, {cell.prompt_batch} cannot be written "
            f"({error.strerror or error}). Free or repair the disk, and start again: the answers are kept."
        )
        if not following.is_over:
            cell.progress.waiting(f"{problem} Until then its requests are asked on.")
        raise SteerworksError(problem) from error
    return rows.figures


def _report(cell: OpenCell, figures: Figures, seconds: float) -> CellReport:
    return CellReport(
        model=cell.model,
        prompt_batch=cell.prompt_batch,
        wanted=figures.rows,
        asked=cell.asked,
        reused=cell.reused,
        sent=cell.sent,
        retries=max(0, cell.sent - cell.asked),
        ok=figures.ok,
        failed=dict(sorted(figures.failed.items())),
        prompt_tokens=figures.prompt_tokens,
        completion_tokens=figures.completion_tokens,
        reasoning_tokens=figures.reasoning_tokens,
        cost_usd=figures.cost_usd,
        spent_usd=cell.spent_usd,
        seconds=round(seconds, 3),
        tokens_per_second=round(cell.written_tokens / seconds, 3) if cell.asked else None,
        latency_median=figures.latency(0.5),
        latency_95th=figures.latency(0.95),
        latency_99th=figures.latency(0.99),
    )
