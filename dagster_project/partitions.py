"""The partitions of the lineage, which asset has which, and which of them one run can cover.

Models and campaigns are static and come from configuration; prompt batches and releases are
dynamic and registered as they come. The two dimensions of `responses` are named so that
Dagster's key reads ``<model>|<prompt_batch>``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

import dagster as dg

from dagster_project.settings import Settings

PROMPT_BATCHES = dg.DynamicPartitionsDefinition(name="prompt_batch")
# A run costs seconds to start, whatever it does; within a run the cells of a model are filled side by side.
BACKFILLS = {"responses": dg.BackfillPolicy.multi_run(max_partitions_per_run=50)}
MOST_CELLS = 500
"""Of one run: what Dagster is told of each stays in memory until the run is over."""
RELEASES = dg.DynamicPartitionsDefinition(name="release")


def partitions_by_asset(settings: Settings) -> dict[str, dg.PartitionsDefinition]:
    """Return the partitions of every asset of the lineage."""
    # In the order of the file, to which new models are added at the end: one run can then cover several of them.
    models = dg.StaticPartitionsDefinition(list(settings.models.models))
    campaigns = dg.StaticPartitionsDefinition(sorted(settings.campaigns))
    by_campaign = (
        *("annotation_tasks", "deliveries", "annotations", "annotator_quality", "top_up_tasks"),
        *("retained_annotations", "agreement", "consensus"),
    )
    return {
        "raw_prompts": PROMPT_BATCHES,
        "curated_prompts": PROMPT_BATCHES,
        "selected_prompts": PROMPT_BATCHES,
        "responses": dg.MultiPartitionsDefinition({"model": models, "prompt_batch": PROMPT_BATCHES}),
        **dict.fromkeys(by_campaign, campaigns),
        **dict.fromkeys(("dataset_release", "published_release"), RELEASES),
    }


def cell_key(model: str, prompt_batch: str) -> dg.MultiPartitionKey:
    """Return the key of one cell of `responses`."""
    return dg.MultiPartitionKey({"model": model, "prompt_batch": prompt_batch})


def cell_of(key: str) -> dict[str, str]:
    """Return model and prompt batch of a cell's key."""
    model, _, prompt_batch = key.partition("|")
    return {"model": model, "prompt_batch": prompt_batch}


class CellRange(NamedTuple):
    """Cells of `responses` that one run can cover: some models that follow each other, by such prompt batches."""

    models: tuple[str, ...]
    prompt_batches: tuple[str, ...]

    def __len__(self) -> int:
        """Return how many cells these are."""
        return len(self.models) * len(self.prompt_batches)

    def __str__(self) -> str:
        """Return its first and last key."""
        first, last = self._ends
        return first if first == last else f"{first} … {last}"

    @property
    def tags(self) -> dict[str, str]:
        """The tags by which a run covers it."""
        first, last = self._ends
        return {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}

    @property
    def _ends(self) -> tuple[str, str]:
        return cell_key(self.models[0], self.prompt_batches[0]), cell_key(self.models[-1], self.prompt_batches[-1])


def ranges_of(
    models: Sequence[str], prompt_batches: Sequence[str], cells: Collection[tuple[str, str]]
) -> list[CellRange]:
    """Return the fewest runs that cover some cells, and no others, with as many models in each as there can be.

    Args:
        models: all models, in Dagster's order.
        prompt_batches: all batches, in Dagster's order.
        cells: given as model and prompt batch.

    Returns:
        Ranges in the order of the batches. Those of the same batches follow each other.
    """
    asked = {batch: [model for model in models if (model, batch) in cells] for batch in prompt_batches}
    return [
        CellRange(adjoining, batches)
        for of_models, stretch in groupby(prompt_batches, key=asked.__getitem__)
        for batches in _chunks(tuple(stretch), MOST_CELLS // max(1, len(of_models)))
        for adjoining in _adjoining(models, of_models)
    ]


def _chunks(batches: tuple[str, ...], most: int) -> Iterator[tuple[str, ...]]:
    step = max(1, most)
    return (batches[first : first + step] for first in range(0, len(batches), step))


def _adjoining(models: Sequence[str], wanted: Collection[str]) -> Iterator[tuple[str, ...]]:
    """Yield those of the wanted models that follow each other among all of them."""
    for is_wanted, run in groupby(models, key=lambda model: model in wanted):
        if is_wanted:
            yield tuple(run)
