"""Two policies on the same ratings: what each keeps, how well those agree, and whom the two disagree on.

Nothing is written: a policy may be tried before it is configured.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from dagster_project.lake import Lake, Session
from dagster_project.quality.agreement import figures_from
from dagster_project.quality.counts import count_agreement
from dagster_project.quality.retention import decide_fates
from dagster_project.settings import AgreementPolicy, Settings
from dagster_project.vendors import frozen_rubric


@dataclass(frozen=True)
class Comparison:
    """Both policies' figures, in the shape of ``agreement``, and where their fates part.

    Attributes:
        figures: of the first and of the second policy.
        fates: a row for each pair of fates, with ``task_annotations`` and ``tasks``.
        annotators: a row for each annotator whose ratings only one of them keeps, most first.
    """

    figures: tuple[pl.DataFrame, pl.DataFrame]
    fates: pl.DataFrame
    annotators: pl.DataFrame


def compare_policies(
    lake: Lake, settings: Settings, campaign: str, first: AgreementPolicy, second: AgreementPolicy
) -> Comparison:
    """Run two policies on a campaign's annotations.

    Who is trusted is taken from ``annotator_quality`` as it is: rules of trust are not compared.
    """
    partition = {"campaign": campaign}
    rubric = pl.DataFrame(frozen_rubric(lake, settings, campaign).rows())
    figures = []
    with Session() as session:
        for table in ("annotations", "annotation_tasks", "annotator_quality"):
            session.table(lake, table, partition)
        session.frame("rubric", rubric)
        for name, policy in (("first_fates", first), ("second_fates", second)):
            filtered = decide_fates(session, policy, closed=lake.exists("campaign_closings", partition))
            session.frame(name, session.arrow("fates"))
            counts = count_agreement(filtered, policy)
            figures.append(figures_from(counts, rubric, policy, fixed_slots=False))
        fates, annotators = (session.query(f"quality/policy_{name}") for name in ("fates", "annotators"))
    return Comparison((figures[0], figures[1]), fates, annotators)
