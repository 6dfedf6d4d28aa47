"""`raw_prompts`: every delivered row, numbered, in the one shape or with the rule it breaks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import pyarrow as pa

from dagster_project.curation.delivery import PromptDelivery, delivery_sha256, find_delivery, prompt_file
from dagster_project.curation.prompt_files import Row
from dagster_project.curation.prompt_rows import PromptRow, PromptRowError, parse_row
from dagster_project.curation.sealing import rows_of
from dagster_project.errors import SteerworksError
from dagster_project.identity import canonical_json, digest, stable_id
from dagster_project.lake import TABLES, Lake
from dagster_project.settings import Home
from dagster_project.settings.curation import Intake

VERSION = 2
"""Whatever changes a row changes this too: what follows from the rows is then made again."""
ROWS_AT_ONCE = 20_000
PLAIN = Intake()


@dataclass(frozen=True)
class RawReport:
    """What a batch brought: rows, and broken rows by rule."""

    rows: int
    defects: dict[str, int]


def take_in_prompts(lake: Lake, home: Home, batch: str, intake: Intake = PLAIN) -> RawReport:
    """Write the `raw_prompts` partition of a delivered batch, some thousand rows at a time.

    Raises:
        SteerworksError: the batch was never delivered, or its file changed since.
    """
    delivery = find_delivery(home, batch)
    path = prompt_file(home, delivery)
    if delivery_sha256(path) != (delivery.sealed or delivery.sha256):
        raise SteerworksError(f"{path}: the file changed after its intake. Restore it, or add it as another batch.")
    rows, defects = 0, Counter[str]()
    records = (_record(delivery, intake, offset, row) for offset, row in enumerate(rows_of(path)))
    with lake.streaming("raw_prompts", {"prompt_batch": batch}, raw_made_from(delivery, intake)) as write:
        for part in _in_parts(records):
            write(pa.Table.from_pylist(part, TABLES["raw_prompts"].schema))
            rows += len(part)
            defects.update(row["defect"].partition(":")[0] for row in part if row["defect"])
    return RawReport(rows, dict(defects))


def raw_made_from(delivery: PromptDelivery, intake: Intake) -> str:
    """Return the hash of all that a batch's rows follow from.

    A withdrawal is left out: what was decided about the batch's other prompts stays as it is.
    """
    delivered = delivery.model_dump(exclude={"withdrawn", "sealed"})
    return digest(["raw_prompts", VERSION, delivered, intake.model_dump()])


def _record(delivery: PromptDelivery, intake: Intake, offset: int, row: Row) -> dict[str, Any]:
    number, content, defect = row
    prompt = PromptRow([], None, None)
    if defect is None:
        try:
            prompt = parse_row(content, keep_assistant_turns=intake.keep_assistant_turns)
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


def _in_parts(records: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    iterator = iter(records)
    while part := list(islice(iterator, ROWS_AT_ONCE)):
        yield part
