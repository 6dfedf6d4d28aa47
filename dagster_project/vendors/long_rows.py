"""Rows of one rating each, gathered to annotations.

Belongs here: bringing together what stands apart in a file, however large. Does not belong here: what is found in a
row (`mapping`).
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from dagster_project.identity import canonical_json
from dagster_project.settings.mappings import Sources
from dagster_project.vendors.canonical import Cells, Defect, is_empty

if TYPE_CHECKING:
    import duckdb

Unfolded = Iterator[tuple[int, Cells | Defect, Sources | None]]
ROWS_AT_ONCE = 50_000
MEMORY_LIMIT = "512MB"
SAID_TWICE = Defect(
    "said_twice", "a rating of this annotation stands in two rows that differ: leave one of them, and deliver it again."
)


def gathered(rows: Unfolded, folder: Path) -> Unfolded:
    """Yield the annotations that rows of one rating each make up, and the rows that hold none.

    Rows belong together by task, response and annotator. They are sorted on disk, in ``folder``, so that memory
    holds one annotation at a time. An annotation's row is its first, its time is its last one's.
    """
    import duckdb  # noqa: PLC0415 - few vendors deliver a rating a row

    sources: Sources | None = None
    with tempfile.TemporaryDirectory(dir=folder, prefix=".sorting-") as spill, duckdb.connect(":memory:") as database:
        database.execute(f"set memory_limit = '{MEMORY_LIMIT}'")
        database.execute(f"set temp_directory = '{spill.replace(chr(39), chr(39) * 2)}'")
        database.execute("create table rows (key varchar, row_number bigint, cells varchar)")
        held: list[tuple[str, int, str]] = []
        for row, cells, own in rows:
            if isinstance(cells, Defect):
                yield row, cells, None
                continue
            sources = own
            held.append((_key(cells), row, json.dumps(cells)))
            if len(held) == ROWS_AT_ONCE:
                _store(database, held)
        _store(database, held)
        ordered = database.execute("from rows order by key, row_number")
        for _, group in groupby(_fetched(ordered), key=lambda row: row[0]):
            members = [(row, json.loads(cells)) for _, row, cells in group]
            yield members[0][0], _together([cells for _, cells in members]), sources


def _key(cells: Cells) -> str:
    return canonical_json([str(cells.get(name, "")) for name in ("task_id", "response_id", "position", "annotator")])


def _store(database: duckdb.DuckDBPyConnection, held: list[tuple[str, int, str]]) -> None:
    if held:
        frame = pl.DataFrame(held, schema={"key": pl.String, "row_number": pl.Int64, "cells": pl.String}, orient="row")
        database.register("held", frame.to_arrow())
        database.execute("insert into rows from held")
        database.unregister("held")
        held.clear()


def _fetched(result: duckdb.DuckDBPyConnection) -> Iterator[tuple[str, int, str]]:
    while rows := result.fetchmany(ROWS_AT_ONCE):
        yield from rows


def _together(members: list[Cells]) -> Cells | Defect:
    cells = dict(members[0])
    for other in members[1:]:
        for name, value in other.items():
            if name == "submitted_at":
                cells[name] = max(str(cells.get(name) or ""), str(value or "")) or None
            elif is_empty(cells.get(name)):
                cells[name] = value
            elif not is_empty(value) and value != cells[name]:
                return SAID_TWICE
    return cells
