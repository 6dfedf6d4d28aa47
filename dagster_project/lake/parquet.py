"""Writing Parquet files: whole or not at all, and the same bytes for the same rows."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

ROW_GROUP_ROWS = 122_880


def write_parquet(path: Path, table: pa.Table) -> None:
    """Write a table to a temporary name, flush it to the disk, and rename it.

    One pinned writer on one thread: equal tables give equal bytes on every machine.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with pq.ParquetWriter(temporary, table.schema, compression="zstd", use_dictionary=True) as writer:
            # No row group at all for no rows: an empty one is more than some readers can take.
            if table.num_rows:
                writer.write_table(table, row_group_size=ROW_GROUP_ROWS)
        flush(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    flush(path.parent)


def flush(path: Path) -> None:
    """Have the disk hold a file's bytes, or a folder's names, before going on."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
