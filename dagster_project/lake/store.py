"""The lake: tables that are written whole or not at all, and read back in their shape.

Belongs here: atomic writes, reads, content hashes. Does not belong here: what the tables mean (`catalogue`), where they
lie (`paths`), or questions over them (`session` and `sql/`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from dagster_project.identity import digest, file_sha256
from dagster_project.lake.catalogue import TABLES, Table
from dagster_project.lake.parquet import reading, streaming_parquet, write_parquet
from dagster_project.lake.paths import Partition, Paths
from dagster_project.whole_files import remove_unfinished

if TYPE_CHECKING:
    import polars as pl

MADE_FROM = b"made_from"
"""The key in a Parquet file's own metadata."""


@dataclass(frozen=True)
class Written:
    """What a write left on disk."""

    path: Path
    rows: int


@dataclass(frozen=True)
class Lake(Paths):
    """All tables under one folder."""

    def write(
        self, table: str, partition: Partition, rows: pl.DataFrame | pa.Table, made_from: str | None = None
    ) -> Written:
        """Make a partition of a rebuilt table again: one file, sorted by the grain.

        ``made_from`` is a hash of all that the rows follow from. It lies in the file itself, so that rows and
        hash cannot part.

        Raises:
            ValueError: the rows lack a column, or hold a null where none may be.
        """
        described = self._described(table, "rebuilt")
        return self._store(self.folder(described, partition) / "part.parquet", described, rows, made_from)

    def add(self, table: str, partition: Partition, part: str, rows: pl.DataFrame | pa.Table) -> Written | None:
        """Add a part to a table that is only ever added to; return None if it is there already."""
        described = self._described(table, "added")
        path = self.folder(described, partition) / f"{part}.parquet"
        return None if path.exists() else self._store(path, described, rows)

    @contextmanager
    def adding(self, table: str, partition: Partition, part: str) -> Iterator[Callable[[pa.Table], None]]:
        """Give a function by which a part of a table that is only ever added to is written, some rows at a time.

        The rows come in the order of the grain. Each call's rows become a row group; the part is there whole when the
        block ends.

        Raises:
            ValueError: as `write`.
        """
        described = self._described(table, "added")
        path = self.folder(described, partition) / f"{part}.parquet"
        with streaming_parquet(path, described.schema, numbers_as_steps=True, sought=described.sought) as write:
            yield lambda rows: write(_in_columns(described, rows)) if rows.num_rows else None

    @contextmanager
    def streaming(
        self, table: str, partition: Partition, made_from: str | None = None
    ) -> Iterator[Callable[[pa.Table], None]]:
        """Give a function by which a partition of a rebuilt table is made again, some rows at a time.

        The rows come with the table's columns and types, in the order of the grain. Memory holds one call's rows, which
        become a row group of the file; the file takes its place when the block ends.

        Raises:
            ValueError: as `write`, or rows come out of order.
        """
        described = self._described(table, "rebuilt")
        path = self.folder(described, partition) / "part.parquet"
        schema = described.schema.with_metadata({MADE_FROM: made_from} if made_from else None)
        with streaming_parquet(path, schema, sought=described.sought) as write:
            last: tuple[object, ...] = ()

            def in_order(rows: pa.Table) -> None:
                nonlocal last
                _require_no_nulls(described, rows)
                for key in zip(*(rows[name].to_pylist() for name in described.grain), strict=True):
                    if key <= last:
                        raise ValueError(f"{table}: the row {key} comes after {last}")
                    last = key
                if rows.num_rows:
                    write(pa.Table.from_arrays(rows.select(described.column_names).columns, schema=schema))

            yield in_order

    def clear_unfinished(self, table: str, partition: Partition) -> None:
        """Remove what killed processes left of a partition; only for whoever alone may be writing it."""
        remove_unfinished(self.folder(self._described(table, "rebuilt"), partition) / "part.parquet")

    def read(self, table: str, partition: Partition | None = None) -> pl.DataFrame:
        """Read a partition or a whole table; absent files read as no rows, columns newer than a file as nulls."""
        import polars as pl  # noqa: PLC0415 - generation uses the lake without it, in many short processes

        described = TABLES[table]
        tables = [_read(path) for path in self.parts(table, partition)]
        together = pa.concat_tables([described.schema.empty_table(), *tables], promote_options="default")
        return pl.DataFrame(together.select(described.column_names))

    def batches(self, table: str, partition: Partition, columns: Sequence[str], rows: int) -> Iterator[pa.RecordBatch]:
        """Yield some columns of a partition, at most ``rows`` rows at a time, in stored order; memory stays small."""
        for path in self.parts(table, partition):
            # The file's pages one by one, instead of whole column chunks.
            with reading(path), pq.ParquetFile(path, buffer_size=1 << 16, pre_buffer=False) as file:
                yield from file.iter_batches(batch_size=rows, columns=list(columns), use_threads=False)

    def made_from(self, table: str, partition: Partition) -> str | None:
        """Return the hash that a partition of a rebuilt table was written with; None without one or the other."""
        stored = [(_footer(path).metadata or {}).get(MADE_FROM) for path in self.parts(table, partition)]
        return stored[0].decode() if stored and stored[0] else None

    def rows(self, table: str, partition: Partition | None = None) -> int:
        """Count rows from the files' footers."""
        return sum(_footer(path).num_rows for path in self.parts(table, partition))

    def content_hash(self, table: str, partition: Partition | None = None) -> str:
        """Return a hash over the names and bytes of a partition's files."""
        return digest([[path.name, file_sha256(path)] for path in self.parts(table, partition)])

    def _described(self, table: str, parts: str) -> Table:
        described = TABLES[table]
        if described.parts != parts:
            raise ValueError(f"{table} is {described.parts}, not {parts}")
        return described

    def _store(self, path: Path, table: Table, rows: pl.DataFrame | pa.Table, made_from: str | None = None) -> Written:
        shaped = in_shape(table, rows)
        metadata = {MADE_FROM: made_from} if made_from else None
        write_parquet(path, shaped.replace_schema_metadata(metadata), table.row_group_rows, table.sought)
        return Written(path, shaped.num_rows)


def _read(path: Path) -> pa.Table:
    with reading(path):
        return pq.read_table(path, partitioning=None)


def _footer(path: Path) -> pq.FileMetaData:
    with reading(path):
        return pq.read_metadata(path)


def in_shape(table: Table, rows: pl.DataFrame | pa.Table) -> pa.Table:
    """Return rows with the table's columns, types and order.

    Raises:
        ValueError: a column is missing, or holds a null where none may be.
    """
    return _in_columns(table, rows).sort_by([(name, "ascending") for name in table.grain])


def _in_columns(table: Table, rows: pl.DataFrame | pa.Table) -> pa.Table:
    arrow = rows if isinstance(rows, pa.Table) else rows.to_arrow()
    if missing := set(table.column_names) - set(arrow.column_names):
        raise ValueError(f"{table.name}: these columns are missing: {sorted(missing)}")
    arrow = arrow.select(table.column_names)
    _require_no_nulls(table, arrow)
    return arrow.cast(table.schema)


def _require_no_nulls(table: Table, rows: pa.Table) -> None:
    for column in table.columns:
        if not column.nullable and rows[column.name].null_count:
            raise ValueError(f"{table.name}: column {column.name} holds nulls")
