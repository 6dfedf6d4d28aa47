"""From merged annotations to published ratings: whom to trust, what to keep, how well annotators agree.

Belongs here: running the agreement policy, whose every step is a statement in ``sql/quality/``, and writing
its tables. Does not belong here: how annotations arrive (`vendors`), and what a release makes of
the result (`releases`).
"""

from dagster_project.quality.agreement import Agreement, measure
from dagster_project.quality.annotators import Panel, judge_annotators
from dagster_project.quality.consensus import Consensus, reach
from dagster_project.quality.retention import Retention, retain

__all__ = [
    "Agreement",
    "Consensus",
    "Panel",
    "Retention",
    "judge_annotators",
    "measure",
    "reach",
    "retain",
]
