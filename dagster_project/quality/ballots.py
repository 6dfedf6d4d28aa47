"""Packing the scores of a task into ballots: whole numbers that are compared by operations on bits.

Belongs here: which statements that takes. Does not belong here: how it is done, which ``sql/quality/ballots.sql`` says,
and what is made of ballots (`selection`, `counts`).
"""

from __future__ import annotations

from dagster_project.lake import Session
from dagster_project.settings import AgreementPolicy


def pack_ballots(session: Session, policy: AgreementPolicy) -> None:
    """Make ``ballots``, ``places`` and ``masks`` from ``annotations`` and ``rubric``.

    Raises:
        duckdb.Error: a score lies above the scale.
    """
    for name in ("ballot_layout", "ballots", "places", "masks"):
        session.create(name, f"quality/{name}", policy.model_dump())
