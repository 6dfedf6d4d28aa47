"""Personal data in what may be released: scanned once a campaign, and left out.

Belongs here: what is scanned, and keeping the findings, of which only the place is stored. Does not belong here: how
text is recognised (`recognising`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import polars as pl
import pyarrow as pa

from dagster_project.identity import digest
from dagster_project.lake import TABLES, Lake
from dagster_project.releases.recognising import SIGNS, Scanner
from dagster_project.settings import Settings

TABLE = "personal_data"
ROWS = 8_192
TASK_COLUMNS = ("task_id", "position", "response_id", "messages", "response")
ANNOTATION_COLUMNS = ("task_id", "response_id", "annotator", "justification")


def scan(lake: Lake, settings: Settings, campaign: str) -> None:
    """Write ``personal_data`` of a campaign, unless it is there for exactly these texts and rules."""
    partition = {"campaign": campaign}
    wanted = _made_from(lake, settings, campaign)
    if not lake.exists("annotation_tasks", partition) or not lake.exists("annotations", partition):
        return
    if lake.made_from(TABLE, partition) == wanted:
        return
    scanner = Scanner(settings.personal_data)
    rows = [
        {"campaign": campaign, **row, "start": found.start, "length": found.length, "entity": found.entity}
        for texts in _texts(lake, campaign)
        for row in texts.filter(scanner.suspicious(texts["text"])).iter_rows(named=True)
        for found in scanner.find(row.pop("text"))
    ]
    lake.write(TABLE, partition, pa.Table.from_pylist(rows, schema=TABLES[TABLE].schema), wanted)


def unscanned(lake: Lake, settings: Settings, campaign: str) -> bool:
    """Say whether the scan of a campaign is not of its present texts, or under other rules."""
    return lake.made_from(TABLE, {"campaign": campaign}) != _made_from(lake, settings, campaign)


def _made_from(lake: Lake, settings: Settings, campaign: str) -> str:
    from importlib.metadata import version  # noqa: PLC0415 - only a release asks

    return digest(
        {
            "texts": [lake.content_hash(name, {"campaign": campaign}) for name in ("annotation_tasks", "annotations")],
            "rules": [settings.personal_data.model_dump(mode="json"), SIGNS],
            "recognisers": [version("presidio-analyzer"), version("phonenumbers")],
        }
    )


def _texts(lake: Lake, campaign: str) -> Iterator[pl.DataFrame]:
    """Yield every text that a release may hold, some thousand at a time: where it stands, and ``text``."""
    partition = {"campaign": campaign}
    for batch in lake.batches("annotation_tasks", partition, TASK_COLUMNS, ROWS):
        rows = _frame(batch)
        yield _placed(rows.with_columns(part=pl.lit("response"), text="response"))
        turns = rows.filter(pl.col("position") == 1).select("task_id", "messages", response_id=pl.lit(None, pl.String))
        turns = turns.with_columns(turn=pl.int_ranges(1, pl.col("messages").list.len() + 1, dtype=pl.Int64))
        turns = turns.explode("messages", "turn").with_columns(part=pl.lit("prompt"))
        yield _placed(turns.with_columns(text=pl.col("messages").struct.field("content")))
    for batch in lake.batches("annotations", partition, ANNOTATION_COLUMNS, ROWS):
        said = _frame(batch).filter(pl.col("justification").is_not_null())
        yield _placed(said.with_columns(part=pl.lit("justification"), text="justification"))


def _frame(batch: Any) -> pl.DataFrame:
    return pl.DataFrame(pa.Table.from_batches([batch]))


def _placed(rows: pl.DataFrame) -> pl.DataFrame:
    nothing = {"response_id": pl.String, "turn": pl.Int64, "annotator": pl.String}
    absent = [pl.lit(None, kind).alias(name) for name, kind in nothing.items() if name not in rows.columns]
    return rows.with_columns(absent).select("task_id", "response_id", "part", "turn", "annotator", "text")
