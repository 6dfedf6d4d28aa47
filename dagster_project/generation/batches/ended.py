"""Which batches have come back from their providers, asked of these.

Belongs here: looking, without changing anything. Does not belong here: collecting (`desk`), and who looks when
(`dagster_project.automation`).
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from pathlib import Path

from dagster_project.errors import SteerworksError
from dagster_project.generation.batches.left_behind import LeftBehind, as_configured_then, heirs, left_behind
from dagster_project.generation.batches.log import BatchLog, BatchRecord, logs_of_batches
from dagster_project.generation.batches.provider import BatchProvider, ProviderError
from dagster_project.generation.endpoints import connect
from dagster_project.settings import ModelsFile

TRIES_WHILE_LOOKING = 1
"""Whoever only looks comes again soon."""
CALLS_AT_ONCE = 16


def cells_with_ended_batches(lake_root: Path, models: ModelsFile) -> dict[tuple[str, str], list[str]]:
    """Ask the providers; return the marks of batches that a run can do something about, by model and prompt batch.

    What was handed in for a model that is no longer configured is collected by the runs of its `heirs`. Without one,
    and where the provider cannot be reached, it is left for later. Of a log that cannot be read, the run says so.
    """
    return asyncio.run(_look(lake_root, models))


async def _look(lake_root: Path, models: ModelsFile) -> dict[tuple[str, str], list[str]]:
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    out: dict[str, list[tuple[str, BatchRecord]]] = defaultdict(list)
    for model, prompt_batch, journal in logs_of_batches(lake_root):
        if model in models.models:
            try:
                out[model] += [(prompt_batch, record) for record in BatchLog(journal).outstanding]
            except SteerworksError:
                found[model, prompt_batch].append("unreadable")
    for model, records in out.items():
        async for prompt_batch, record in _over_at(models, model, records):
            found[model, prompt_batch].append(record.mark)
    for cell in left_behind(lake_root, models):
        async for heir, mark in _over_for_heirs(models, cell):
            found[heir, cell.prompt_batch].append(mark)
    return dict(found)


async def _over_for_heirs(models: ModelsFile, cell: LeftBehind) -> AsyncIterator[tuple[str, str]]:
    """Yield the marks of those batches of a cell whose model is gone that a run can do something about, and of whom."""
    if not (able := heirs(models, cell)):
        return
    records = [(cell.prompt_batch, record) for record in cell.records]
    async for _, record in _over_at(as_configured_then(models, [cell]), cell.model, records):
        for heir in able:
            yield heir, record.mark


async def _over_at(
    models: ModelsFile, model: str, records: Sequence[tuple[str, BatchRecord]]
) -> AsyncIterator[tuple[str, BatchRecord]]:
    """Yield those batches of a model that a run can do something about; none if its provider cannot be reached."""
    with suppress(SteerworksError):
        async with connect(models, model) as connection:
            async for each in _over(BatchProvider(model, connection, TRIES_WHILE_LOOKING), records):
                yield each


async def _over(
    provider: BatchProvider, records: Sequence[tuple[str, BatchRecord]]
) -> AsyncIterator[tuple[str, BatchRecord]]:
    """Yield those batches that a run can do something about.

    Raises:
        ProviderError: the provider cannot be reached; the others would fare alike.
    """
    for first in range(0, len(records), CALLS_AT_ONCE):
        some = records[first : first + CALLS_AT_ONCE]
        for each, is_over in zip(some, await asyncio.gather(*(_is_over(provider, r) for _, r in some)), strict=True):
            if is_over:
                yield each


async def _is_over(provider: BatchProvider, record: BatchRecord) -> bool:
    try:
        batch = await provider.batch(record)
    except ProviderError as error:
        if error.status is None:
            raise
        return error.status == 404
    return not record.may_still_arrive if batch is None else batch.has_ended
