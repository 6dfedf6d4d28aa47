"""Deliveries as Parquet and as Excel workbooks.

Belongs here: cutting a file into rows, some at a time. Does not belong here: what a row must hold (`canonical`).
Of a workbook only the values that it shows are read: no formula is worked out, no link is followed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

from dagster_project.vendors.canonical import Cells, Defect, is_empty
from dagster_project.vendors.csv_file import header_defect, numbered_names

ROWS_AT_ONCE = 10_000
BROKEN_PARQUET = Defect("not_parquet", "the file is no whole Parquet file: no row of it was read. Deliver it again.")
BROKEN_WORKBOOK = Defect("not_xlsx", "the file is no whole Excel workbook: no row of it was read. Deliver it again.")
NO_SHEET = Defect("no_sheet", "the workbook has no sheet of the name that `mapping.sheet` of vendors.yaml gives.")


def read_parquet_rows(path: Path, _required: Collection[str] = ()) -> Iterator[tuple[int, Cells | Defect]]:
    """Yield each row's number, from 1, and its cells by column."""
    import pyarrow as pa  # noqa: PLC0415 - few vendors deliver Parquet
    import pyarrow.parquet as pq  # noqa: PLC0415

    number = 0
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=ROWS_AT_ONCE, use_threads=False):
                for row in batch.to_pylist():
                    number += 1
                    yield number, {name: _plain(value) for name, value in row.items()}
    except (pa.ArrowException, OSError):
        yield number + 1, BROKEN_PARQUET


def read_xlsx(
    path: Path, required: Collection[str] = (), sheet: str | None = None
) -> Iterator[tuple[int, Cells | Defect]]:
    """Yield each row's number, from 1 below the header, and its cells by column; empty rows are passed over."""
    import openpyxl  # noqa: PLC0415 - few vendors deliver workbooks

    number = 0
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True, keep_links=False)
        try:
            if sheet is not None and sheet not in book.sheetnames:
                yield 1, NO_SHEET
                return
            page = book[sheet] if sheet is not None else book.worksheets[0]
            page.reset_dimensions()  # what a sheet says of its own size is often wrong
            for number, cells in _below_header(page.iter_rows(values_only=True), required):
                yield number, cells
        finally:
            book.close()
    except Exception:  # a workbook that is cut or forged fails in any way, in any of the parsers below openpyxl
        yield number + 1, BROKEN_WORKBOOK


def _below_header(rows: Iterator[tuple[Any, ...]], required: Collection[str]) -> Iterator[tuple[int, Cells | Defect]]:
    filled = (row for row in rows if not all(is_empty(cell) for cell in row))
    header = [str(cell).strip() if cell is not None else "" for cell in next(filled, ())]
    if not header:
        return
    if defect := header_defect(header, required):
        yield 1, defect
        return
    names = numbered_names(header)
    for number, row in enumerate(filled, start=1):
        padded = (*row, *(None for _ in names[len(row) :]))
        yield number, {name: _plain(cell) for name, cell in zip(names, padded, strict=False) if name}


def _plain(value: Any) -> Any:
    """Return a cell as JSON would have it: a number that is whole is an int, a moment is ISO 8601."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat() if value.tzinfo else value.isoformat()
    return value.isoformat() if isinstance(value, date | time) else value
