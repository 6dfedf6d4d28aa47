"""The agreement filter: every annotation gets the stage that it reached and the reason why it left."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from dagster_project.lake import Lake, Session
from dagster_project.quality.ballots import Ballots, Places, Scores, Steps, load_ballots, number_ratings, panels
from dagster_project.quality.counts import COLLECTED, TRUSTED, Filtered
from dagster_project.quality.provenance import made_from
from dagster_project.quality.selection import choose, closest_sets, picked
from dagster_project.settings import AgreementPolicy, Settings
from dagster_project.vendors import frozen_rubric

LOWEST_PREFERENCE, PREFERENCES = -3, 7
"""Preferences are whole numbers from -3 to 3."""
ALL = np.array([True])
"""Of the one field that a preference is, all decide."""


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
    session.create("contenders", "quality/contenders")
    session.create("task_preferences", "quality/task_preferences")
    session.frame("closest_preferences", _closest_preferences(session, policy))
    session.create("retained_annotations", "quality/retained")


def decide_fates(session: Session, policy: AgreementPolicy, *, closed: bool) -> Filtered:
    """Make ``fates`` from what `filter_annotations` starts from, and return the ballots with the steps they pass."""
    parameters = {**policy.model_dump(), "closed": closed}
    ratings = number_ratings(session)
    for name in ("campaign_tasks", "judged", "coverage"):
        session.create(name, f"quality/{name}", parameters)
    standing = session.query("quality/standing", parameters)
    session.lend("standing", standing)
    ballots = load_ballots(session, ratings)
    stands = standing["stage"].is_null().to_numpy()
    left_before = np.where(standing["trusted"].to_numpy(), TRUSTED, COLLECTED) * ballots.present
    steps = np.where(stands, choose(ballots, stands, policy), left_before).astype(np.uint8)
    session.lend("passed", _passed(ballots, steps, standing))
    session.view("fates", "quality/fates")
    return Filtered(ballots, steps, stands)


def _passed(ballots: Ballots, steps: Steps, standing: pl.DataFrame) -> pl.DataFrame:
    """Return the last step of each rating, and the stage and reason of those that left before selection."""
    before = standing.select("task", "annotator", "stage", "reason")
    of_responses = [
        before.filter(pl.Series(present)).with_columns(
            pl.lit(position, pl.Int8).alias("position"), step=pl.Series(last[present])
        )
        for position, (present, last) in enumerate(zip(ballots.present, steps, strict=True), 1)
    ]
    return pl.concat(of_responses)


def _closest_preferences(session: Session, policy: AgreementPolicy) -> pl.DataFrame:
    """Return the annotators of each task whose preferences are the closest, where there are enough of them."""
    given = session.query("quality/task_preferences").select("task_id", "annotator", "strength")
    task = given["task_id"].rle_id().cast(pl.Int64).to_numpy()
    strengths = (given["strength"].cast(pl.Int64).to_numpy() - LOWEST_PREFERENCE).astype(np.uint8)
    closest = [
        picked(places, _closest_of(strengths[places], policy.closest or len(places))).ravel()
        for places in panels(task)
        if len(places) >= (policy.closest or policy.annotators)
    ]
    return given[np.sort(np.concatenate(closest)) if closest else []].select("task_id", "annotator")


def _closest_of(strengths: Scores, size: int) -> Places:
    return closest_sets(strengths[None], PREFERENCES, ALL, size, break_ties=False)


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
