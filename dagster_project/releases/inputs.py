"""What a release reads: which partitions, as relations of one session.

Belongs here: finding and opening them. Does not belong here: whether they may be released
(`gate`), and what was read when (`lock`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from dagster_project.lake import TABLES, Lake, Partition, Session
from dagster_project.releases.manifest import ancestors
from dagster_project.releases.split_check import open_clusters
from dagster_project.releases.splits import Cluster, choose_sides, settled_by
from dagster_project.settings import Pairing, ReleaseSpec, Settings

MADE_TABLES = (
    *("annotation_tasks", "annotations", "annotation_fates", "annotator_quality"),
    *("retained_annotations", "agreement", "consensus", "preferences"),
)
"""What every campaign has that can be released."""
RECEIVED_TABLES = ("deliveries", "quarantine", "intake", "campaign_closings")
"""What came to a campaign, if anything did."""
CAMPAIGN_TABLES = (*MADE_TABLES, *RECEIVED_TABLES)
BATCH_TABLES = ("curated_prompts", "selected_prompts")
CELL_TABLES = ("responses",)
READ_TABLES = (*CAMPAIGN_TABLES, *BATCH_TABLES, *CELL_TABLES)


@dataclass(frozen=True)
class ReleaseInputs:
    """The partitions that a release is made from.

    ``cells`` are the models that took part, in the prompt batches of their campaign.
    """

    campaigns: tuple[str, ...]
    batches: tuple[str, ...]
    cells: tuple[tuple[str, str], ...]

    def partitions(self, table: str) -> list[Partition]:
        """Return the partitions of a table that the release reads, whether they were written or not."""
        if table in CAMPAIGN_TABLES:
            return [{"campaign": campaign} for campaign in self.campaigns]
        if table in CELL_TABLES:
            return [{"model": model, "prompt_batch": batch} for model, batch in self.cells]
        return [{"prompt_batch": batch} for batch in self.batches]


def find_inputs(lake: Lake, settings: Settings, spec: ReleaseSpec) -> ReleaseInputs:
    """Return what the release of a spec reads from the lake as it is now."""
    campaigns = tuple(sorted(set(spec.campaigns)))
    pairings = {slug: settings.campaign(slug).pairing for slug in campaigns}
    models = _models_of(lake, campaigns)
    cells = {
        (model, batch)
        for slug, pairing in pairings.items()
        if pairing
        for model in _models_asked(pairing, models.get(slug, []))
        for batch in pairing.prompt_batches
    }
    batches = {batch for pairing in pairings.values() if pairing for batch in pairing.prompt_batches}
    return ReleaseInputs(campaigns, tuple(sorted(batches)), tuple(sorted(cells)))


def open_inputs(session: Session, lake: Lake, settings: Settings, spec: ReleaseSpec, inputs: ReleaseInputs) -> None:
    """Give a session every relation that a release is made from."""
    for table in READ_TABLES:
        _give(session, lake, table, inputs.partitions(table))
    _give(session, lake, "personal_data", [{"campaign": campaign} for campaign in inputs.campaigns])
    session.frame("rubric", pl.DataFrame(settings.rubric_of(inputs.campaigns[0]).rows()))
    _give_splits(session, settings, spec)


def _give_splits(session: Session, settings: Settings, spec: ReleaseSpec) -> None:
    """Give a session the side of each prompt, and the prompts that are like prompts on both."""
    open_clusters(session)
    clusters = {
        prompt_id: Cluster(cluster, tuple(touches or ()))
        for prompt_id, cluster, touches in session.query("release/task_clusters").iter_rows()
    }
    prompt_ids = session.query("release/task_prompts")["prompt_id"]
    settled = settled_by(settings.home.releases, ancestors(settings.home, spec.parent))
    sides = choose_sides(prompt_ids, clusters, settled, spec.validation_share, spec.seed)
    session.frame("prompt_splits", sides.splits)
    session.frame("bridging_prompts", pl.DataFrame({"prompt_id": sides.bridging}, schema={"prompt_id": pl.String}))


def open_campaigns(session: Session, lake: Lake, inputs: ReleaseInputs) -> None:
    """Give a session the tasks and answers alone."""
    for table in ("annotation_tasks", *CELL_TABLES):
        _give(session, lake, table, inputs.partitions(table))


def _models_of(lake: Lake, campaigns: Sequence[str]) -> Mapping[str, list[str]]:
    with Session() as session:
        _give(session, lake, "annotation_tasks", [{"campaign": campaign} for campaign in campaigns])
        rows = session.query("release/campaign_models")
    return {campaign: rows.filter(pl.col("campaign") == campaign)["model"].to_list() for campaign in campaigns}


def _models_asked(pairing: Pairing, wrote_responses: Sequence[str]) -> set[str]:
    return {*(pairing.models or ()), *wrote_responses}


def _give(session: Session, lake: Lake, table: str, partitions: Sequence[Partition]) -> None:
    """Give some partitions of a table as one view."""
    names = [f"{table}_{number}" for number in range(len(partitions))]
    for name, partition in zip(names, partitions, strict=True):
        session.table(lake, table, partition, name)
    if not names:
        session.frame(table, TABLES[table].schema.empty_table())
        return
    union = " union all ".join(f"from {name}" for name in names)
    session.connection.execute(f"create or replace temp view {table} as {union}")
