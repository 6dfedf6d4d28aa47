"""Which prompts enter, and why the others do not.

Belongs here: reading prompts as delivered, the rules that keep or exclude them, their topics and complexity, and the
seeded selection of those that go on. Does not belong here: asking models (`generation`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dagster_project.lazily import offering

if TYPE_CHECKING:
    from dagster_project.curation.complexity import ComplexityReport, grade
    from dagster_project.curation.curating import CurationReport, curate
    from dagster_project.curation.delivery import PromptDelivery, deliver_prompts, delivered_batches
    from dagster_project.curation.raw import RawReport, take_in_prompts
    from dagster_project.curation.selecting import SelectionReport, select, unselected_batches, write_selected
    from dagster_project.curation.selecting_report import SelectionRun, show_selection
    from dagster_project.curation.topics import TopicsReport, assign_topics

_MODULES = {
    "ComplexityReport": "complexity",
    "CurationReport": "curating",
    "PromptDelivery": "delivery",
    "RawReport": "raw",
    "SelectionReport": "selecting",
    "SelectionRun": "selecting_report",
    "TopicsReport": "topics",
    "assign_topics": "topics",
    "curate": "curating",
    "deliver_prompts": "delivery",
    "delivered_batches": "delivery",
    "grade": "complexity",
    "select": "selecting",
    "show_selection": "selecting_report",
    "take_in_prompts": "raw",
    "unselected_batches": "selecting",
    "write_selected": "selecting",
}
"""Where each name comes from."""

__all__ = [
    "ComplexityReport",
    "CurationReport",
    "PromptDelivery",
    "RawReport",
    "SelectionReport",
    "SelectionRun",
    "TopicsReport",
    "assign_topics",
    "curate",
    "deliver_prompts",
    "delivered_batches",
    "grade",
    "select",
    "show_selection",
    "take_in_prompts",
    "unselected_batches",
    "write_selected",
]

__getattr__ = offering(__name__, _MODULES)
