"""Batches of models that models.yaml no longer has, as they were renamed or taken out while a provider was at work.

What was handed in is paid for, so it is collected all the same: over the endpoint that it was handed in to, into the
journal of the model that it was handed in for, where whoever asks the same finds it by its hash. Belongs here: which
batches these are, and which cells' runs collect them. Does not belong here: collecting (`engine`).
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from dagster_project.errors import SteerworksError
from dagster_project.generation.batches.log import BatchLog, BatchRecord, logs_of_batches
from dagster_project.settings import ModelsFile, ModelSpec


@dataclass(frozen=True)
class LeftBehind:
    """The batches that are out for a cell of a model that is no longer configured; ``spec`` is as it was last."""

    model: str
    prompt_batch: str
    records: list[BatchRecord]

    @property
    def spec(self) -> ModelSpec:
        """The model as configured when the last of the batches was handed in."""
        return self.records[-1].spec


def left_behind(lake_root: Path, models: ModelsFile) -> list[LeftBehind]:
    """Return what is out for models that are not configured. A log that cannot be read is left out."""
    found = []
    for model, prompt_batch, journal in logs_of_batches(lake_root):
        if model not in models.models:
            with suppress(SteerworksError):  # nobody asks for its cell, so it keeps nobody from anything
                if records := BatchLog(journal).outstanding:
                    found.append(LeftBehind(model, prompt_batch, records))
    return found


def as_configured_then(models: ModelsFile, cells: Iterable[LeftBehind]) -> ModelsFile:
    """Return the file with the models of some cells in place of those that it has."""
    return models.model_copy(update={"models": {cell.model: cell.spec for cell in cells}})


def heirs(models: ModelsFile, cell: LeftBehind) -> list[str]:
    """Return the models whose runs collect what was left behind: those that ask the same, or else one that can.

    None if no model has the endpoint.
    """
    able = sorted(slug for slug, spec in models.models.items() if spec.endpoint == cell.spec.endpoint)
    same = [slug for slug in able if models.models[slug].name == cell.spec.name]
    return same or able[:1]
