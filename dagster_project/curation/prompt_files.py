"""Reading prompt files row by row: JSON Lines and Parquet."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dagster_project.errors import SteerworksError

Row = tuple[int, Any, str | None]
"""Row number from 1, the row's content, and the rule it breaks already as text (or None)."""

SUFFIXES = (".jsonl", ".ndjson", ".parquet")


def read_rows(path: Path) -> Iterator[Row]:
    """Yield every row of a prompt file; a row that cannot be read carries its defect.

    Raises:
        SteerworksError: the file is absent, empty, of another kind, or no Parquet at all.
    """
    if not path.is_file():
        raise SteerworksError(f"{path}: no such file.")
    if path.stat().st_size == 0:
        raise SteerworksError(f"{path}: the file is empty. Give a file with at least one prompt.")
    if path.suffix not in SUFFIXES:
        raise SteerworksError(f"{path}: prompts come as {', '.join(SUFFIXES)}, not as `{path.suffix}`. Convert it.")
    return _parquet_rows(path) if path.suffix == ".parquet" else _json_rows(path)


def _json_rows(path: Path) -> Iterator[Row]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            text = line.removeprefix(b"\xef\xbb\xbf").strip()
            if not text:
                continue
            try:
                yield number, json.loads(text.decode("utf-8")), None
            except UnicodeDecodeError as error:
                yield number, None, f"wrong_encoding: not UTF-8 at byte {error.start} of the row; save it as UTF-8"
            except json.JSONDecodeError as error:
                yield number, None, f"not_json: {error.msg} at character {error.pos + 1}"


def _parquet_rows(path: Path) -> Iterator[Row]:
    try:
        file = pq.ParquetFile(path)
    except pa.ArrowInvalid as error:
        raise SteerworksError(f"{path}: not a Parquet file: {error}. Write it again.") from None
    number = 0
    for batch in file.iter_batches(batch_size=4096):
        for row in batch.to_pylist():
            number += 1
            yield number, {key: value for key, value in row.items() if value is not None}, None
