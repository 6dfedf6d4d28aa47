"""Asking models: every answer asked for once, kept for good, and found again.

Belongs here: requests and their hashes, endpoints, the embedded model, pace, tries, budget, the
journals, and the `responses` table that follows from them. Does not belong here: which prompts
are asked (`curation`), or what becomes of the answers.
"""

from dagster_project.generation.budget import Purse
from dagster_project.generation.cell import CellReport, answer_cell
from dagster_project.generation.completion import Completed, complete_conversations
from dagster_project.generation.progress import Progress, SilentProgress
from dagster_project.generation.requests import Request, conversation_hash, make_request, requests_of_cell
from dagster_project.generation.unfilled import unfilled_cells

__all__ = [
    "CellReport",
    "Completed",
    "Progress",
    "Purse",
    "Request",
    "SilentProgress",
    "answer_cell",
    "complete_conversations",
    "conversation_hash",
    "make_request",
    "requests_of_cell",
    "unfilled_cells",
]
