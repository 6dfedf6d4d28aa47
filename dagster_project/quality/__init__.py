"""From merged annotations to published ratings: whom to trust, what to keep, how well annotators agree.

Belongs here: running the agreement policy, whose every step is a statement in ``sql/quality/``, writing
its tables, and saying what they were made from (`provenance`). Does not belong here: how annotations
arrive (`vendors`), and what a release makes of the result (`releases`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dagster_project.lazily import offering

if TYPE_CHECKING:
    from dagster_project.quality.aggregating import show_aggregations
    from dagster_project.quality.agreement import Agreement, measure_agreement
    from dagster_project.quality.agreement_shown import show_agreement
    from dagster_project.quality.annotators import Verdicts, judge_annotators
    from dagster_project.quality.consensus import Consensus, reach_consensus
    from dagster_project.quality.provenance import made_from, outdated
    from dagster_project.quality.retention import Retention, retain_annotations

_MODULES = {
    "Agreement": "agreement",
    "Consensus": "consensus",
    "Retention": "retention",
    "Verdicts": "annotators",
    "judge_annotators": "annotators",
    "made_from": "provenance",
    "measure_agreement": "agreement",
    "outdated": "provenance",
    "reach_consensus": "consensus",
    "retain_annotations": "retention",
    "show_aggregations": "aggregating",
    "show_agreement": "agreement_shown",
}
"""Where each name comes from."""

__all__ = [
    "Agreement",
    "Consensus",
    "Retention",
    "Verdicts",
    "judge_annotators",
    "made_from",
    "measure_agreement",
    "outdated",
    "reach_consensus",
    "retain_annotations",
    "show_aggregations",
    "show_agreement",
]

__getattr__ = offering(__name__, _MODULES)
