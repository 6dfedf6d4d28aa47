"""The annotators' records, and which of them can be trusted: steps 1 and 2 begin here.

The figures and the rules are in ``sql/quality/annotator_quality.sql``, the thresholds in the policy.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import polars as pl

from dagster_project.lake import Lake, Session
from dagster_project.quality.provenance import made_from
from dagster_project.settings import Settings
from dagster_project.vendors import frozen_rubric


@dataclass(frozen=True)
class Verdicts:
    """Annotators in all, those trusted, and how many broke each rule first."""

    annotators: int
    trusted: int
    broken_rules: dict[str, int]


def judge_annotators(lake: Lake, settings: Settings, campaign: str) -> Verdicts:
    """Write ``annotator_quality`` of a campaign from its ``annotations``."""
    partition = {"campaign": campaign}
    provenance = made_from(lake, settings, campaign, "annotator_quality")
    with Session() as session:
        session.table(lake, "annotations", partition)
        session.table(lake, "control_annotations", partition)
        session.frame("rubric", pl.DataFrame(frozen_rubric(lake, settings, campaign).rows()))
        records = session.query("quality/annotator_quality", settings.policy_of(campaign).trust.model_dump())
    lake.write("annotator_quality", partition, records, provenance)
    broken_rules = Counter(records["rule"].drop_nulls().to_list())
    return Verdicts(records.height, records.height - broken_rules.total(), dict(sorted(broken_rules.items())))
