"""From merged annotations to published ratings: whom to trust, what to keep, how well annotators agree.

Belongs here: running the agreement policy, whose every step is a statement in ``sql/quality/``, writing
its tables, and saying what they were made from (`provenance`). Does not belong here: how annotations
arrive (`vendors`), and what a release makes of the result (`releases`).
"""

from dagster_project.quality.aggregating import show_aggregations
from dagster_project.quality.agreement import Agreement, measure_agreement
from dagster_project.quality.agreement_shown import show_agreement
from dagster_project.quality.annotator_page import annotator_page
from dagster_project.quality.annotators import Verdicts, judge_annotators
from dagster_project.quality.consensus import Consensus, reach_consensus
from dagster_project.quality.provenance import made_from, outdated
from dagster_project.quality.retention import Retention, retain_annotations

__all__ = [
    "Agreement",
    "Consensus",
    "Retention",
    "Verdicts",
    "annotator_page",
    "judge_annotators",
    "made_from",
    "measure_agreement",
    "outdated",
    "reach_consensus",
    "retain_annotations",
    "show_aggregations",
    "show_agreement",
]
