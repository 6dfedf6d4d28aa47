"""The annotators' records, and which of them can be trusted: steps 1 and 2 begin here.

The figures and the rules are in ``sql/quality/annotator_quality.sql``, the thresholds in the policy.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import polars as pl

from dagster_project.lake import Lake, Session
from dagster_project.settings import Settings


@dataclass(frozen=True)
class Panel:
    """Annotators in all, those trusted, and how many broke each rule first."""

    annotators: int
    trusted: int
    broken_rules: dict[str, int]


def judge_annotators(lake: Lake, settings: Settings, campaign: str) -> Panel:
    """Write ``annotator_quality`` of a campaign from its ``annotations``."""
    partition = {"campaign": campaign}
    with Session() as session:
        session.table(lake, "annotations", partition)
        session.frame("rubric", pl.DataFrame(settings.rubric_of(campaign).rows()))
        records = session.query("quality/annotator_quality", settings.policy_of(campaign).trust.model_dump())
    lake.write("annotator_quality", partition, records)
    broken_rules = Counter(records["rule"].drop_nulls().to_list())
    return Panel(records.height, records.height - broken_rules.total(), dict(sorted(broken_rules.items())))
