"""The partitions of the lineage, and which asset has which.

Models and campaigns are static and come from configuration; prompt batches and releases are
dynamic and registered as they come. The two dimensions of `responses` are named so that
Dagster's key reads ``<model>|<prompt_batch>``.
"""

from __future__ import annotations

import dagster as dg

from dagster_project.settings import Settings

PROMPT_BATCHES = dg.DynamicPartitionsDefinition(name="prompt_batch")
# A run costs seconds to start, whatever it does; within a run the cells of a model are filled side by side.
BACKFILLS = {"responses": dg.BackfillPolicy.multi_run(max_partitions_per_run=50)}
RELEASES = dg.DynamicPartitionsDefinition(name="release")


def partitions_by_asset(settings: Settings) -> dict[str, dg.PartitionsDefinition]:
    """Return the partitions of every asset of the lineage."""
    models = dg.StaticPartitionsDefinition(sorted(settings.models.models))
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
