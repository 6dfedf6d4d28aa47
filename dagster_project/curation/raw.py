"""`raw_prompts`: every delivered row, numbered, in the one shape or with the rule it breaks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from dagster_project.curation.delivery import PromptDelivery, delivered_batches, prompt_file
from dagster_project.curation.prompt_files import Row, read_rows
from dagster_project.curation.prompt_rows import PromptRow, PromptRowError, parse_row
from dagster_project.errors import SteerworksError
from dagster_project.identity import canonical_json, file_sha256, stable_id
from dagster_project.lake import TABLES, Lake
from dagster_project.settings import Home


@dataclass(frozen=True)
class RawReport:
    """What a batch brought: rows, and broken rows by rule."""

    rows: int
    defects: dict[str, int]


def take_in_prompts(lake: Lake, home: Home, batch: str) -> RawReport:
    """Write the `raw_prompts` partition of a delivered batch.

    Raises:
        SteerworksError: the batch was never delivered, or its file changed since.
    """
    delivery = next((known for known in delivered_batches(home) if known.batch == batch), None)
    if delivery is None:
        raise SteerworksError(
            f"no prompts were delivered as `{batch}`. Run `steerworks prompts add FILE --batch {batch}` first."
        )
    path = prompt_file(home, delivery)
    if file_sha256(path) != delivery.sha256:
        raise SteerworksError(f"{path}: the file changed after its intake. Restore it, or add it as another batch.")
    rows = [_record(delivery, offset, row) for offset, row in enumerate(read_rows(path))]
    lake.write("raw_prompts", {"prompt_batch": batch}, pa.Table.from_pylist(rows, TABLES["raw_prompts"].schema))
    return RawReport(len(rows), dict(Counter(_rules(rows))))


def _record(delivery: PromptDelivery, offset: int, row: Row) -> dict[str, Any]:
    number, content, defect = row
    prompt = PromptRow([], None, None)
    if defect is None:
        try:
            prompt = parse_row(content)
        except PromptRowError as broken:
            defect = str(broken)
    return {
        "prompt_batch": delivery.batch,
        "intake_number": delivery.first_number + offset,
        "prompt_id": stable_id("p", prompt.messages or [delivery.sha256, number]),
        "file": delivery.file,
        "row_number": number,
        "source": prompt.source or delivery.source,
        "licence": prompt.licence or delivery.licence,
        "messages": prompt.messages,
        "extra": canonical_json(prompt.extra) if prompt.extra else None,
        "defect": defect,
    }


def _rules(rows: list[dict[str, Any]]) -> Iterator[str]:
    return (row["defect"].partition(":")[0] for row in rows if row["defect"])
