"""What is published: one rating for each response, and one preference for each task, or the reason why not."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from dagster_project.lake import Lake, Session
from dagster_project.quality.aggregating import aggregate
from dagster_project.quality.provenance import made_from
from dagster_project.settings import Settings
from dagster_project.vendors import frozen_rubric

TABLES_WRITTEN = ("consensus", "preferences", "aggregations")


@dataclass(frozen=True)
class Consensus:
    """Tasks and responses with a published rating; of the tasks asked for a preference, those with and without one."""

    tasks: int
    responses: int
    preferences: int
    without_preference: dict[str, int]


def reach_consensus(lake: Lake, settings: Settings, campaign: str) -> Consensus:
    """Write ``consensus``, ``preferences`` and ``aggregations`` of a campaign from its ``retained_annotations``."""
    partition = {"campaign": campaign}
    rubric, policy = frozen_rubric(lake, settings, campaign), settings.policy_of(campaign)
    parameters = {**policy.model_dump(), "asks_preference": rubric.preference}
    provenance = {table: made_from(lake, settings, campaign, table) for table in TABLES_WRITTEN}
    with Session() as session:
        session.table(lake, "retained_annotations", partition)
        session.frame("rubric", pl.DataFrame(rubric.rows()))
        session.create("contenders", "quality/retained_contenders")
        session.table(lake, "retained_annotations", partition, name="annotations")
        for table in ("consensus", "task_preferences", "preferences"):
            session.create(table, f"quality/{table}", parameters)
        aggregated = aggregate(session, rubric, policy.aggregations)
        session.frame("aggregations", aggregated.with_columns(campaign=pl.lit(campaign)))
        for table, hashed in provenance.items():
            lake.write(table, partition, session.arrow(table), hashed)
        return _summary(session)


def _summary(session: Session) -> Consensus:
    import pyarrow.compute as pc  # noqa: PLC0415 - the definitions load without it

    ratings = session.arrow("consensus")
    preferences = session.arrow("preferences").num_rows
    without: dict[str, int] = dict(session.query("quality/preference_reasons").iter_rows())
    tasks = pc.count_distinct(ratings["task_id"]).as_py()
    return Consensus(tasks, ratings.num_rows, preferences - sum(without.values()), without)
