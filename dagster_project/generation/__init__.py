"""Asking models: every answer asked for once, kept for good, and found again.

Belongs here: requests and their hashes, endpoints, the embedded model, pace, tries, budget, the
journals, and the `responses` table that follows from them. Does not belong here: which prompts
are asked (`curation`), or what becomes of the answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dagster_project.lazily import offering

if TYPE_CHECKING:
    from dagster_project.generation.answering import answer_cell, answer_cells
    from dagster_project.generation.answers import Answer
    from dagster_project.generation.batches.ended import cells_with_ended_batches
    from dagster_project.generation.batches.log import OutstandingBatch, outstanding_batches
    from dagster_project.generation.collecting import collect_left_behind, collect_unasked
    from dagster_project.generation.completion import Completed, complete_conversations
    from dagster_project.generation.engine import Cell
    from dagster_project.generation.estimation import Estimate, estimate
    from dagster_project.generation.filling import CellReport
    from dagster_project.generation.limits.ledger import MoneyLimit
    from dagster_project.generation.limits.purse import Purse
    from dagster_project.generation.progress import CellProgress, Progress, SilentProgress
    from dagster_project.generation.questions import Embedding, UnfinishedError, embed, embedding_request, judge
    from dagster_project.generation.requests import Request, RequestForm, conversation_hash
    from dagster_project.generation.spending import money_limits
    from dagster_project.generation.structured import ask_structured
    from dagster_project.generation.unfilled import unfilled_cells, unsettled_reasons
    from dagster_project.generation.verify import CellCount, verify_responses

__all__ = [
    "Answer",
    "Cell",
    "CellCount",
    "CellProgress",
    "CellReport",
    "Completed",
    "Embedding",
    "Estimate",
    "MoneyLimit",
    "OutstandingBatch",
    "Progress",
    "Purse",
    "Request",
    "RequestForm",
    "SilentProgress",
    "UnfinishedError",
    "answer_cell",
    "answer_cells",
    "ask_structured",
    "cells_with_ended_batches",
    "collect_left_behind",
    "collect_unasked",
    "complete_conversations",
    "conversation_hash",
    "embed",
    "embedding_request",
    "estimate",
    "judge",
    "money_limits",
    "outstanding_batches",
    "unfilled_cells",
    "unsettled_reasons",
    "verify_responses",
]

__getattr__ = offering(
    __name__,
    {
        "Answer": "answers",
        "Cell": "engine",
        "CellCount": "verify",
        "CellProgress": "progress",
        "CellReport": "filling",
        "Completed": "completion",
        "Embedding": "questions",
        "Estimate": "estimation",
        "MoneyLimit": "limits.ledger",
        "OutstandingBatch": "batches.log",
        "Progress": "progress",
        "Purse": "limits.purse",
        "Request": "requests",
        "RequestForm": "requests",
        "SilentProgress": "progress",
        "UnfinishedError": "questions",
        "answer_cell": "answering",
        "answer_cells": "answering",
        "ask_structured": "structured",
        "cells_with_ended_batches": "batches.ended",
        "collect_left_behind": "collecting",
        "collect_unasked": "collecting",
        "complete_conversations": "completion",
        "conversation_hash": "requests",
        "embed": "questions",
        "embedding_request": "questions",
        "estimate": "estimation",
        "judge": "questions",
        "money_limits": "spending",
        "outstanding_batches": "batches.log",
        "unfilled_cells": "unfilled",
        "unsettled_reasons": "unfilled",
        "verify_responses": "verify",
    },
)
