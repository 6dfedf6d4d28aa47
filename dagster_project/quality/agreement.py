"""Agreement statistics at each step of the policy, beside the same statistics on shuffled ratings.

Selecting by agreement raises agreement by itself. The shuffled figure says by how much: it is what
the very same statements make of ratings that have nothing to do with the response they stand beside.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from dagster_project.lake import Lake, Session
from dagster_project.quality.provenance import made_from
from dagster_project.quality.selection import choose
from dagster_project.settings import AgreementPolicy, Settings
from dagster_project.vendors import frozen_rubric


@dataclass(frozen=True)
class Agreement:
    """Quadratic kappa of each attribute as collected, as retained, and as retained from shuffled ratings.

    ``estimator`` says which kappa it is. A figure is null where it is undefined, and absent without annotations.
    """

    estimator: str
    collected: dict[str, float | None]
    retained: dict[str, float | None]
    shuffled: dict[str, float | None]
    task_retention: float | None
    shuffled_task_retention: float | None


def measure_agreement(lake: Lake, settings: Settings, campaign: str) -> Agreement:
    """Write ``agreement`` of a campaign from its ``retained_annotations``."""
    partition = {"campaign": campaign}
    policy = settings.policy_of(campaign)
    provenance = made_from(lake, settings, campaign, "agreement")
    fixed_slots = settings.vendor_of(campaign).slots == "fixed"
    with Session() as session:
        session.table(lake, "retained_annotations", partition)
        session.frame("rubric", pl.DataFrame(frozen_rubric(lake, settings, campaign).rows()))
        agreement = agreement_figures(session, policy, {"campaign": campaign, "fixed_slots": fixed_slots})
    lake.write("agreement", partition, agreement, provenance)
    return _summary(agreement, "fixed_slots" if fixed_slots else "pooled")


def agreement_figures(session: Session, policy: AgreementPolicy, parameters: dict[str, Any]) -> pl.DataFrame:
    """Return the figures of ``retained_annotations`` under ``rubric``, each beside its shuffled mean."""
    shuffled = [
        _shuffled_figures(session, policy, parameters, seed).with_columns(shuffle=pl.lit(seed))
        for seed in range(policy.seed, policy.seed + policy.shuffles)
    ]
    session.frame("shuffled_figures", pl.concat(shuffled))
    session.frame("outcome", session.arrow("retained_annotations"))
    session.frame("figures", _figures(session, parameters))
    return session.query("quality/agreement", parameters)


def _shuffled_figures(session: Session, policy: AgreementPolicy, parameters: dict[str, Any], seed: int) -> pl.DataFrame:
    session.create("shuffled", "quality/shuffled", {"seed": seed})
    session.create("contenders", "quality/shuffled_contenders")
    choose(session, policy)
    session.create("outcome", "quality/shuffled_outcome")
    return _figures(session, parameters)


def _figures(session: Session, parameters: dict[str, Any]) -> pl.DataFrame:
    """Return every statistic of ``outcome`` at every step."""
    for name in ("steps", "contingency", "quadratic_kappa", "ordinal_alpha"):
        session.create(name, f"quality/{name}", parameters)
    return session.query("quality/figures", parameters)


def _summary(agreement: pl.DataFrame, estimator: str) -> Agreement:
    kappas = agreement.filter(statistic="quadratic_kappa", estimator=estimator)
    retained = kappas.filter(stage="retained")
    share = agreement.filter(statistic="task_retention", stage="retained")
    return Agreement(
        estimator,
        _by_attribute(kappas.filter(stage="collected"), "value"),
        _by_attribute(retained, "value"),
        _by_attribute(retained, "shuffled"),
        *(share.select("value", "shuffled").row(0) if share.height else (None, None)),
    )


def _by_attribute(figures: pl.DataFrame, column: str) -> dict[str, float | None]:
    return dict(figures.select("attribute", column).iter_rows())
