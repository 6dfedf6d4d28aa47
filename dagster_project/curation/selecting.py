"""`selected_prompts`: the kept prompts that go on to the models, as whole conversations."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl
import pyarrow as pa

from dagster_project.lake import TABLES, Lake, Session
from dagster_project.settings import CurationFile, Terms

Messages = list[dict[str, str]]


@dataclass(frozen=True)
class SelectionReport:
    """Prompts that go on, and those that do not, by reason."""

    selected: int
    multi_turn: int
    left_out: dict[str, int]


def select(lake: Lake, curation: CurationFile, batch: str) -> pl.DataFrame:
    """Return the kept prompts of a batch with ``selected`` and ``reason``; the turns in between are still missing."""
    selection = curation.selection
    with Session() as session:
        session.table(lake, "curated_prompts", {"prompt_batch": batch})
        target = selection.target or lake.rows("curated_prompts", {"prompt_batch": batch})
        quota = math.floor(target * selection.multi_turn_share + 0.5)
        return session.query(
            "prompts/selected_prompts", {"target": target, "multi_turn_quota": quota, "seed": selection.seed}
        )


def write_selected(
    lake: Lake,
    batch: str,
    chosen: pl.DataFrame,
    completed: Mapping[str, Messages],
    failures: Mapping[str, str],
    model: tuple[str, Terms],
) -> SelectionReport:
    """Write the `selected_prompts` partition, the assistant turns filled in.

    Args:
        lake: where to write.
        batch: the prompt batch.
        chosen: what `select` returned.
        completed: whole conversations by prompt id, for prompts of several turns.
        failures: why a conversation could not be completed, by prompt id.
        model: slug and terms of the model that wrote the turns.
    """
    rows = [_row(row, completed, failures, model) for row in chosen.iter_rows(named=True)]
    lake.write(
        "selected_prompts", {"prompt_batch": batch}, pa.Table.from_pylist(rows, TABLES["selected_prompts"].schema)
    )
    reasons = [row["reason"] for row in rows if row["reason"]]
    return SelectionReport(
        selected=sum(row["selected"] for row in rows),
        multi_turn=sum(row["selected"] and row["turns"] > 1 for row in rows),
        left_out={reason: reasons.count(reason) for reason in sorted(set(reasons))},
    )


def _row(
    row: dict[str, Any], completed: Mapping[str, Messages], failures: Mapping[str, str], model: tuple[str, Terms]
) -> dict[str, Any]:
    prompt_id = row["prompt_id"]
    slug, terms = model if prompt_id in completed else (None, None)
    filled = {
        "completion_model": slug,
        "completion_licence": terms and terms.licence,
        "completion_may_train": terms and terms.outputs_may_train,
    }
    if prompt_id in failures:
        return row | filled | {"selected": False, "reason": f"completion_failed: {failures[prompt_id]}"}
    return row | filled | {"messages": completed.get(prompt_id, row["messages"])}
