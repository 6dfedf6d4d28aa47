"""Parquet files: written whole or not at all, the same bytes for the same rows; and named if they cannot be read.

Belongs here: single files. Does not belong here: which tables they are of (`paths`), and their shape (`store`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from dagster_project.errors import SteerworksError
from dagster_project.whole_files import replacing

SOUGHT_VALUES = 16_384
"""Distinct values of a column in a row group that a Bloom filter is made for, at most: 16 KB."""
FALSELY_FOUND = 0.05
"""The share of row groups that a Bloom filter lets be read in vain."""


def _damaged(path: Path, problem: Exception) -> SteerworksError:
    """Return the error about a file that cannot be read."""
    return SteerworksError(
        f"{path}: this file is cut or damaged ({str(problem).splitlines()[0]}). Put a copy of it back, or remove it "
        "and make its partition again; `steerworks backfill` makes `responses` from their journals, and asks nothing "
        "again."
    )


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Name the file if it cannot be read within the block.

    Raises:
        SteerworksError: it is cut or damaged.
    """
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno:  # the system's: it says nothing about what is in the file
            raise
        raise _damaged(path, error) from error


def require_whole(path: Path) -> None:
    """Read a file from its first byte to its last.

    Raises:
        SteerworksError: it is cut or damaged.
    """
    with reading(path), pq.ParquetFile(path) as file:
        for _ in file.iter_batches(batch_size=1 << 14):
            pass


def write_parquet(path: Path, table: pa.Table, row_group_rows: int, sought: Sequence[str] = ()) -> None:
    """Write a table as a file, so many rows to a row group.

    One pinned writer on one thread: equal tables give equal bytes on every machine. ``sought`` names columns whose row
    groups get Bloom filters: who looks for a value passes over the groups that do not have it.
    """
    distinct = max(1, min(table.num_rows, row_group_rows, SOUGHT_VALUES))
    with (
        replacing(path) as temporary,
        pq.ParquetWriter(
            temporary,
            table.schema,
            compression="zstd",
            use_dictionary=True,
            bloom_filter_options=_bloom_filters(sought, distinct),
        ) as writer,
    ):
        # No row group at all for no rows: an empty one is more than some readers can take.
        if table.num_rows:
            writer.write_table(table, row_group_size=row_group_rows)


@contextmanager
def streaming_parquet(
    path: Path, schema: pa.Schema, numbers_as_steps: bool = False, sought: Sequence[str] = ()
) -> Iterator[Callable[[pa.Table], None]]:
    """Give a function that adds a table to a file, as a row group; the file is there whole when the block ends.

    ``numbers_as_steps``: 64-bit whole numbers are stored as differences from row to row. A dictionary of numbers that
    count rows is larger than they are, and takes longer. ``sought`` is as in `write_parquet`.
    """
    steps = [field.name for field in schema if numbers_as_steps and pa.types.is_int64(field.type)]
    others = [leaf for field in schema if field.name not in steps for leaf in _leaves(field.name, field.type)]
    with (
        replacing(path) as temporary,
        pq.ParquetWriter(
            temporary,
            schema,
            compression="zstd",
            use_dictionary=others if steps else True,
            column_encoding=dict.fromkeys(steps, "DELTA_BINARY_PACKED") or None,
            bloom_filter_options=_bloom_filters(sought, SOUGHT_VALUES),
        ) as writer,
    ):
        yield lambda rows: writer.write_table(rows, row_group_size=max(rows.num_rows, 1))


def _leaves(path: str, kind: pa.DataType) -> Iterator[str]:
    """Yield the names by which Parquet knows the columns below a field."""
    if pa.types.is_list(kind):
        yield from _leaves(f"{path}.list.element", kind.value_type)
    elif pa.types.is_struct(kind):
        for part in kind:
            yield from _leaves(f"{path}.{part.name}", part.type)
    else:
        yield path


def edit_parquet(path: Path, edit: Callable[[pa.Table], pa.Table]) -> None:
    """Write a file again with each of its row groups edited; schema and metadata stay, memory holds one group.

    The file takes its place when all of it is written.
    """
    with (
        pq.ParquetFile(path) as file,
        streaming_parquet(path, file.schema_arrow, sought=_sought(file.metadata)) as write,
    ):
        for group in range(file.num_row_groups):
            rows = edit(file.read_row_group(group))
            if rows.num_rows:
                write(rows)


def _sought(metadata: pq.FileMetaData) -> list[str]:
    """Return the columns that have Bloom filters in a file."""
    columns = metadata.row_group(0).to_dict()["columns"] if metadata.num_row_groups else []
    return [column["path_in_schema"] for column in columns if column["bloom_filter_offset"] is not None]


def _bloom_filters(sought: Sequence[str], distinct: int) -> dict[str, dict[str, float]] | None:
    return {name: {"ndv": distinct, "fpp": FALSELY_FOUND} for name in sought} or None
