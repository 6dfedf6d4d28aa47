"""The ledgers that a model is paid from, and what the journals say was spent: with that a new or lost one begins.

Belongs here: which ledgers there are, and adding up. Does not belong here: how limits hold (`limits`), and what
answers cost (`prices`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from dagster_project.errors import SteerworksError
from dagster_project.generation.answers import Answer
from dagster_project.generation.batches.log import BatchLog
from dagster_project.generation.journal import journals
from dagster_project.generation.limits.ledger import Ledger, MoneyLimit
from dagster_project.settings import ModelsFile


def ledgers_of(lake_root: Path, models: ModelsFile, model: str) -> list[Ledger]:
    """Return the ledgers that must cover what is asked of a model; none if it costs nothing.

    Raises:
        SteerworksError: the disk does not take a ledger's file, or a log of batches is unreadable.
    """
    spec = models.models[model]
    if spec.prices.are_zero:
        return []
    before, out = partial(spent_before, lake_root), partial(in_batches, lake_root)
    own = partial(before, model), partial(out, model)
    return [
        Ledger(lake_root, f"model {model}", spec.max_usd, spec.max_usd_per_day, *own),
        Ledger(lake_root, "all models", None, models.max_usd_per_day, before, out),
    ]


def money_limits(lake_root: Path, models: ModelsFile, model: str) -> list[MoneyLimit]:
    """Return the limits of models.yaml on what is spent on a model, with what was spent so far.

    Raises:
        SteerworksError: as `ledgers_of`.
    """
    return [limit for ledger in ledgers_of(lake_root, models, model) for limit in ledger.limits]


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
    of_model = _journals_of(lake_root, model)
    return _today_and_in_all(
        cost for journal in of_model for costs in (_answers(journal), _batches(journal)) for cost in costs
    )


def in_batches(lake_root: Path, model: str | None = None) -> tuple[float, float]:
    """Return what of that is for batches that are out, at the most that they can cost, as `spent_before` does.

    It is only told, so a log that cannot be read counts as nothing here; whoever needs that one says so.
    """
    found: list[tuple[str, float]] = []
    for journal in _journals_of(lake_root, model):
        with suppress(SteerworksError):
            found += _batches(journal)
    return _today_and_in_all(found)


def _journals_of(lake_root: Path, model: str | None) -> Iterator[Path]:
    return (path for path in journals(lake_root) if model is None or path.parent.name == f"model={model}")


def _today_and_in_all(costs: Iterable[tuple[str, float]]) -> tuple[float, float]:
    today, in_all = 0.0, 0.0
    this_day = datetime.now(UTC).date().isoformat()
    for day, usd in costs:
        in_all += usd
        today += usd if day == this_day else 0.0
    return today, in_all


def _answers(journal: Path) -> Iterator[tuple[str, float]]:
    """Yield day and amount of each answer."""
    with journal.open("rb") as file:
        for line in file:
            with suppress(ValueError):
                answer = Answer.from_line(line)
                yield str(answer.answered_at)[:10], answer.cost_usd


def _batches(journal: Path) -> Iterator[tuple[str, float]]:
    """Yield day and amount of each batch that is out."""
    for record in BatchLog(journal).outstanding:
        yield datetime.fromtimestamp(record.planned_at, UTC).date().isoformat(), record.booked_usd
