"""What the journals say was spent: a ledger begins with it, should its own file be new or lost.

Belongs here: adding up. Does not belong here: limits on money (`limits`), and what an answer costs (`prices`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from dagster_project.generation.batch_log import BatchLog
from dagster_project.generation.journal import journals


def spent_before(lake_root: Path, model: str | None = None) -> tuple[float, float]:
    """Return what was spent on a model, or on all, today and in all, in US dollars; UTC days.

    What is out with a Batch API counts with the most that it can cost. Tries that were paid for without an answer are
    in no journal. Lines that are no answers count as nothing here; whoever reads the answers reports them.

    Args:
        lake_root: the lake's folder.
        model: slug of the model; None for all.

    Raises:
        SteerworksError: a log of batches is unreadable.
    """
    today, in_all = 0.0, 0.0
    this_day = datetime.now(UTC).date().isoformat()
    for journal in journals(lake_root):
        if model is None or journal.parent.name == f"model={model}":
            for day, usd in _costs(journal):
                in_all += usd
                today += usd if day == this_day else 0.0
    return today, in_all


def _costs(journal: Path) -> Iterator[tuple[str, float]]:
    """Yield day and amount of each answer and each outstanding batch."""
    with journal.open("rb") as file:
        for line in file:
            try:
                answer = json.loads(line)
                yield answer["answered_at"][:10], float(answer["cost_usd"])
            except (ValueError, LookupError, TypeError):
                continue
    for record in BatchLog(journal).outstanding:
        yield datetime.fromtimestamp(record.planned_at, UTC).date().isoformat(), record.booked_usd
