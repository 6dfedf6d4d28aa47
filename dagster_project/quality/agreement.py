"""Agreement statistics at each step of the policy, beside the same statistics on shuffled ratings.

Selecting by agreement raises agreement by itself. The shuffled figure says by how much: it is what
the very same statements make of ratings that have nothing to do with the response they stand beside.
What lies above it, the lift, is the headline.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from dagster_project.lake import Lake, Session
from dagster_project.quality.ballots import load_ballots, number_ratings
from dagster_project.quality.counts import KEYS, Filtered, added, count_agreement, count_slots
from dagster_project.quality.figures import Resampling, figures_of
from dagster_project.quality.provenance import made_from
from dagster_project.quality.slicing import slicings
from dagster_project.settings import AgreementPolicy, Settings
from dagster_project.vendors import frozen_rubric


@dataclass(frozen=True)
class Agreement:
    """Quadratic kappa of each attribute as collected, as retained, as retained from shuffled ratings, and the lift.

    ``estimator`` says which kappa it is; shuffled and lift are of ``pooled``. A figure is null where it is undefined,
    and absent without annotations.
    """

    estimator: str
    lift: dict[str, float | None]
    collected: dict[str, float | None]
    retained: dict[str, float | None]
    shuffled: dict[str, float | None]
    task_retention: float | None
    shuffled_task_retention: float | None


def measure_agreement(lake: Lake, settings: Settings, campaign: str) -> Agreement:
    """Write ``agreement`` and ``agreement_counts`` of a campaign from its ``retained_annotations``."""
    partition = {"campaign": campaign}
    policy = settings.policy_of(campaign)
    provenance = {table: made_from(lake, settings, campaign, table) for table in ("agreement", "agreement_counts")}
    fixed_slots = settings.vendor_of(campaign).slots == "fixed"
    rubric = pl.DataFrame(frozen_rubric(lake, settings, campaign).rows())
    with Session() as session:
        session.table(lake, "retained_annotations", partition)
        session.table(lake, "retained_annotations", partition, name="annotations")
        session.table(lake, "annotation_tasks", partition)
        for table in ("prompt_topics", "topics"):
            session.table(lake, table)
        session.frame("rubric", rubric)
        counts = counts_of_retained(session, policy, fixed_slots=fixed_slots, sliced=True)
    figures = figures_from(counts, rubric, policy, fixed_slots=fixed_slots)
    for table, rows in (("agreement", figures), ("agreement_counts", counts.sort(KEYS))):
        lake.write(table, partition, rows.with_columns(campaign=pl.lit(campaign)), provenance[table])
    return _summary(figures, "fixed_slots" if fixed_slots else "pooled")


def agreement_over(lake: Lake, settings: Settings, campaigns: list[str]) -> pl.DataFrame:
    """Return the figures of several campaigns together, from their counts alone.

    They must share attributes and scale. Where a policy has more shuffles than another, those that all have count.
    """
    policy = settings.policy_of(campaigns[0])
    counts = [lake.read("agreement_counts", {"campaign": campaign}) for campaign in campaigns]
    shuffles = min(int(found["shuffle"].max() or 0) for found in counts)  # type: ignore[arg-type]
    rubric = pl.DataFrame(frozen_rubric(lake, settings, campaigns[0]).rows())
    together = added([found.filter(pl.col("shuffle") <= shuffles) for found in counts])
    fixed_slots = all(settings.vendor_of(campaign).slots == "fixed" for campaign in campaigns)
    return figures_from(together, rubric, policy, fixed_slots=fixed_slots)


def counts_of_retained(
    session: Session, policy: AgreementPolicy, *, fixed_slots: bool, sliced: bool = False
) -> pl.DataFrame:
    """Return the counts of ``retained_annotations``, also known as ``annotations``, real and shuffled.

    ``sliced`` are those by model and topic too, which takes what `slicings` takes.
    """
    filtered = _filtered(session)
    counts = count_agreement(filtered, policy, *(slicings(session, filtered.ballots) if sliced else ()))
    return pl.concat([counts, count_slots(session, filtered)]) if fixed_slots else counts


def _filtered(session: Session) -> Filtered:
    """Return the ballots with the steps that the filter found."""
    ballots = load_ballots(session, number_ratings(session))
    found = session.query("quality/retained_steps")
    places = ballots.place_of(found["task"].to_numpy(), found["annotator"].to_numpy())
    steps = np.zeros(ballots.present.shape, np.uint8)
    steps[found["position"].to_numpy() - 1, places] = found["step"].to_numpy()
    stands = np.zeros(len(ballots.task), bool)
    stands[places] = found["stands"].to_numpy()
    return Filtered(ballots, steps, stands)


def figures_from(
    counts: pl.DataFrame, rubric: pl.DataFrame, policy: AgreementPolicy, *, fixed_slots: bool
) -> pl.DataFrame:
    """Return the figures that follow from counts."""
    levels = int(rubric["highest"][0] - rubric["lowest"][0] + 1)
    resampling = Resampling.seeded(policy.bootstrap_samples, policy.seed)
    return figures_of(counts, rubric["attribute"].to_list(), levels, resampling, fixed_slots=fixed_slots)


def _summary(agreement: pl.DataFrame, estimator: str) -> Agreement:
    kappas = agreement.filter(statistic="quadratic_kappa")
    own = kappas.filter(estimator=estimator)
    pooled = kappas.filter(stage="retained", estimator="pooled")
    share: Any = agreement.filter(statistic="task_retention", stage="retained")
    return Agreement(
        estimator,
        _by_attribute(pooled, "lift"),
        _by_attribute(own.filter(stage="collected"), "value"),
        _by_attribute(own.filter(stage="retained"), "value"),
        _by_attribute(pooled, "shuffled"),
        *(share.select("value", "shuffled").row(0) if share.height else (None, None)),
    )


def _by_attribute(figures: pl.DataFrame, column: str) -> dict[str, float | None]:
    return dict(figures.select("attribute", column).iter_rows())
