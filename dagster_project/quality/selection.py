"""Steps 4 and 5 of the agreement policy on whatever contends: real ratings, preferences, shuffled ratings."""

from __future__ import annotations

from math import comb

from dagster_project.lake import Session
from dagster_project.settings import AgreementPolicy

MOST_SETS = comb(15, 7)
"""Sets that are weighed for one task: all of them for up to 15 annotators, which is as many as a policy can order."""


def choose(session: Session, policy: AgreementPolicy) -> None:
    """Make ``chosen`` from ``seats`` and ``masks``: each contender's stage and reason."""
    session.create("panels", "quality/panels", policy.model_dump())
    choose_anew(session, policy)


def choose_anew(session: Session, policy: AgreementPolicy) -> None:
    """Make ``chosen`` and ``panel_closest`` from ``seats``, ``panels`` and ``masks``."""
    parameters = {**closest_parameters(policy), "break_ties": policy.break_ties}
    for name in ("panel_closest", "distances", "closest", "chosen"):
        session.create(name, f"quality/{name}", parameters)


def closest_parameters(policy: AgreementPolicy) -> dict[str, int]:
    """Return what ``sql/quality/closest.sql`` needs: the size of a set and the most annotators to draw it from."""
    return {"closest": policy.closest, "pool": largest_pool(policy.closest)}


def largest_pool(closest: int) -> int:
    """Return the most annotators that have no more than MOST_SETS sets of this size."""
    pool = closest
    while comb(pool + 1, closest) <= MOST_SETS:
        pool += 1
    return pool
