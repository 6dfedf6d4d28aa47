"""The row groups of a release's Parquet files: written at one size, known by their bytes.

A row group is the least stretch of rows that Parquet keeps together. Each has a hash in the manifest, so that a
broken file can be told down to the rows. Belongs here: writing and hashing them. Does not belong here: what the
rows are (`tables`), or what a hash that differs means (`manifest`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict

from dagster_project.lake.parquet import streaming_parquet

ROW_GROUP_ROWS = 16_384
CHUNK_BYTES = 1 << 20


class RowGroup(BaseModel):
    """Where the bytes of so many rows lie in a file, and their SHA-256."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rows: int
    offset: int
    bytes: int
    sha256: str


class RowGroups:
    """Rows on their way into a file: written as soon as they fill a row group.

    Where pages end depends on how rows lie in memory, so each row group is one chunk: the same rows give the same
    bytes, however many came at a time.
    """

    def __init__(self, write: Callable[[pa.Table], None], schema: pa.Schema) -> None:
        self._write = write
        self._waiting = schema.empty_table()

    def add(self, rows: pa.Table) -> None:
        """Take further rows."""
        self._waiting = pa.concat_tables([self._waiting, rows])
        while self._waiting.num_rows >= ROW_GROUP_ROWS:
            self._write(self._waiting.slice(0, ROW_GROUP_ROWS).combine_chunks())
            self._waiting = self._waiting.slice(ROW_GROUP_ROWS)

    def end(self) -> None:
        """Write the rows that are left."""
        if self._waiting.num_rows:
            self._write(self._waiting.combine_chunks())


@contextmanager
def row_groups(path: Path, schema: pa.Schema) -> Iterator[RowGroups]:
    """Give the row groups of a file that is to be written; it is there whole when the block ends."""
    with streaming_parquet(path, schema) as write:
        groups = RowGroups(write, schema)
        yield groups
        groups.end()


def describe_row_groups(path: Path) -> tuple[str, list[RowGroup]]:
    """Return the SHA-256 of a Parquet file, and its row groups; its bytes are read once."""
    metadata = pq.read_metadata(path)
    whole, described = hashlib.sha256(), []
    with path.open("rb") as file:
        for number in range(metadata.num_row_groups):
            rows, offset, size = _extent(metadata.row_group(number))
            _read(file, offset - file.tell(), whole)
            own = hashlib.sha256()
            _read(file, size, whole, own)
            described.append(RowGroup(rows=rows, offset=offset, bytes=size, sha256=own.hexdigest()))
        _read(file, path.stat().st_size - file.tell(), whole)
    return whole.hexdigest(), described


def broken_rows(path: Path, groups: list[RowGroup]) -> list[tuple[int, int]]:
    """Return the first and the last row, from 1, of each row group whose bytes differ; adjoining ones as one."""
    broken: list[tuple[int, int]] = []
    first = 1
    for group in groups:
        last = first + group.rows - 1
        if _sha256(path, group.offset, group.bytes) != group.sha256:
            is_next = bool(broken) and broken[-1][1] == first - 1
            broken[-1:] = [(broken[-1][0], last)] if is_next else [*broken[-1:], (first, last)]
        first = last + 1
    return broken


def _extent(group: pq.RowGroupMetaData) -> tuple[int, int, int]:
    """Return how many rows a row group has, where it begins, and how many bytes it takes."""
    columns = [group.column(number) for number in range(group.num_columns)]
    start = min(column.dictionary_page_offset or column.data_page_offset for column in columns)
    return group.num_rows, start, sum(column.total_compressed_size for column in columns)


def _sha256(path: Path, offset: int, size: int) -> str:
    sha256 = hashlib.sha256()
    with path.open("rb") as file:
        file.seek(offset)
        _read(file, size, sha256)
    return sha256.hexdigest()


def _read(file: BinaryIO, size: int, *hashes: hashlib._Hash) -> None:
    """Take further bytes of a file into some hashes, as many as there are."""
    while size > 0 and (chunk := file.read(min(size, CHUNK_BYTES))):
        for sha256 in hashes:
            sha256.update(chunk)
        size -= len(chunk)
