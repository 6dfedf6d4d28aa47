"""Which prompts enter, and why the others do not.

Belongs here: reading prompts as delivered, the rules that keep or exclude them, and the seeded
selection of those that go on. Does not belong here: asking models (`generation`).
"""

from dagster_project.curation.curating import CurationReport, curate
from dagster_project.curation.delivery import PromptDelivery, deliver_prompts, delivered_batches
from dagster_project.curation.raw import RawReport, take_in_prompts
from dagster_project.curation.selecting import SelectionReport, select, unselected_batches, write_selected

__all__ = [
    "CurationReport",
    "PromptDelivery",
    "RawReport",
    "SelectionReport",
    "curate",
    "deliver_prompts",
    "delivered_batches",
    "select",
    "take_in_prompts",
    "unselected_batches",
    "write_selected",
]
