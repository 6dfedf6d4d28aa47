"""The agreement filter: every annotation gets the stage that it reached and the reason why it left."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from dagster_project.lake import Lake, Session
from dagster_project.quality.ballots import pack_ballots
from dagster_project.quality.provenance import made_from
from dagster_project.quality.selection import choose, closest_parameters
from dagster_project.settings import AgreementPolicy, Settings
from dagster_project.vendors import frozen_rubric


@dataclass(frozen=True)
class Retention:
    """Annotations by stage and by reason (``kept`` has none), and the tasks they make."""

    annotations: int
    by_stage: dict[str, int]
    by_reason: dict[str, int]
    tasks: int
    tasks_kept: int


def retain_annotations(lake: Lake, settings: Settings, campaign: str) -> Retention:
    """Write ``retained_annotations`` of a campaign: steps 1 to 5 of the policy, and the closest preferences.

    While the campaign is open, a task that needs more annotators waits for them; once it is closed, the
    task stands with those it has.
    """
    partition = {"campaign": campaign}
    provenance = made_from(lake, settings, campaign, "retained_annotations")
    with Session() as session:
        for table in ("annotations", "annotation_tasks", "annotator_quality"):
            session.table(lake, table, partition)
        session.frame("rubric", pl.DataFrame(frozen_rubric(lake, settings, campaign).rows()))
        filter_annotations(session, settings.policy_of(campaign), closed=lake.exists("campaign_closings", partition))
        lake.write("retained_annotations", partition, session.arrow("retained_annotations"), provenance)
        return _summary(session)


def filter_annotations(session: Session, policy: AgreementPolicy, *, closed: bool) -> None:
    """Make ``retained_annotations`` from ``annotations``, ``annotation_tasks``, ``annotator_quality``, ``rubric``."""
    decide_fates(session, policy, closed=closed)
    session.create("task_preferences", "quality/task_preferences")
    session.create("distances", "quality/preference_distances")
    session.create("closest_preferences", "quality/closest", closest_parameters(policy))
    session.create("retained_annotations", "quality/retained")


def decide_fates(session: Session, policy: AgreementPolicy, *, closed: bool) -> None:
    """Make ``fates``, and ``contenders`` and ``ballots`` on the way, from what `filter_annotations` starts from."""
    parameters = {**policy.model_dump(), "closed": closed}
    pack_ballots(session, policy)
    for name in ("judged", "coverage", "seats", "contenders"):
        session.create(name, f"quality/{name}", parameters)
    choose(session, policy)
    session.create("fates", "quality/fates", parameters)


def _summary(session: Session) -> Retention:
    counts = session.query("quality/retention_counts")
    tasks, tasks_kept = session.query("quality/task_counts").row(0)
    by_stage = counts.group_by("stage").agg(pl.col("annotations").sum()).sort("stage")
    by_reason = counts.filter(pl.col("reason").is_not_null()).sort("reason")
    return Retention(
        annotations=int(counts["annotations"].sum()),
        by_stage=dict(by_stage.iter_rows()),
        by_reason=dict(by_reason.select("reason", "annotations").iter_rows()),
        tasks=tasks,
        tasks_kept=tasks_kept,
    )
