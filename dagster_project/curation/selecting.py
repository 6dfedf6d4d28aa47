"""`selected_prompts`: the kept prompts that go on to the models, as whole conversations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import starmap
from typing import Any

import polars as pl
import pyarrow as pa

from dagster_project.curation.delivery import delivered_batches
from dagster_project.curation.selecting_order import Candidate, choose
from dagster_project.generation import Completed, conversation_hash
from dagster_project.lake import TABLES, Lake, Session
from dagster_project.settings import CurationFile, Home


@dataclass(frozen=True)
class SelectionReport:
    """Prompts that go on, and those that do not, by reason."""

    selected: int
    multi_turn: int
    left_out: dict[str, int]


def select(lake: Lake, curation: CurationFile, batch: str) -> pl.DataFrame:
    """Return the kept prompts of a batch with ``selected`` and ``reason``; the turns in between are still missing.

    Topics and complexity are read from their tables, which must have the batch. Prompts that were withdrawn keep the
    places that they had.
    """
    with Session() as session:
        for table in ("curated_prompts", "prompt_topics", "prompt_complexity"):
            session.table(lake, table, {"prompt_batch": batch})
        session.table(lake, "selected_prompts", {"prompt_batch": batch}, "earlier_selection")
        candidates = session.query("prompts/candidates", {"seed": curation.selection.seed})
        chosen = choose(starmap(Candidate, candidates.iter_rows()), curation.selection)
        places = {"prompt_id": chosen.order, "place": range(1, len(chosen.order) + 1)}
        session.frame("places", pl.DataFrame(places, schema={"prompt_id": pl.String, "place": pl.Int64}))
        session.frame(
            "full_sources", pl.DataFrame({"source": sorted(chosen.full_sources)}, schema={"source": pl.String})
        )
        return session.query("prompts/selected_prompts")


def write_selected(lake: Lake, batch: str, chosen: pl.DataFrame, completed: Mapping[str, Completed]) -> SelectionReport:
    """Write the `selected_prompts` partition, the assistant turns filled in.

    Args:
        lake: where to write.
        batch: the prompt batch.
        chosen: what `select` returned.
        completed: what became of the prompts of several turns, by prompt id, with the terms of the
            day on which their turns were written.
    """
    rows = [_row(row, completed.get(row["prompt_id"])) for row in chosen.iter_rows(named=True)]
    lake.write(
        "selected_prompts", {"prompt_batch": batch}, pa.Table.from_pylist(rows, TABLES["selected_prompts"].schema)
    )
    reasons = [row["reason"] for row in rows if row["reason"]]
    return SelectionReport(
        selected=sum(row["selected"] for row in rows),
        multi_turn=sum(row["selected"] and row["turns"] > 1 for row in rows),
        left_out={reason: reasons.count(reason) for reason in sorted(set(reasons))},
    )


def unselected_batches(lake: Lake, home: Home) -> list[str]:
    """Return the delivered batches without a selection, or with one that the money ended, in order of intake."""
    with Session() as session:
        session.table(lake, "selected_prompts")
        unfinished = set(session.query("prompts/unfinished_selections")["prompt_batch"])
    return [
        delivery.batch
        for delivery in delivered_batches(home)
        if delivery.batch in unfinished or not lake.exists("selected_prompts", {"prompt_batch": delivery.batch})
    ]


def _row(row: dict[str, Any], completed: Completed | None) -> dict[str, Any]:
    whole = completed or Completed(row["messages"])
    messages = whole.messages or row["messages"]
    left_out = {"selected": False, "reason": f"completion_failed: {whole.reason}"} if whole.reason else {}
    return (
        row
        | left_out
        | {
            "messages": messages,
            "conversation_hash": conversation_hash(messages),
            "completion_model": whole.model,
            "completion_licence": whole.licence,
            "completion_may_train": whole.may_train,
        }
    )
