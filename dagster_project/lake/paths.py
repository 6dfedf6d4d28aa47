"""Where the lake's tables lie: ``lake/<table>/<dimension>=<key>/…/<part>.parquet``.

Belongs here: from tables and partitions to folders and files. Does not belong here: what is in the files (`store`,
`session`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dagster_project.lake.catalogue import TABLES, Table

Partition = Mapping[str, str]


@dataclass(frozen=True)
class Paths:
    """The files of all tables under one folder; enough for who only asks DuckDB."""

    root: Path

    def parts(self, table: str, partition: Partition | None = None) -> list[Path]:
        """Return the files of a partition, or of a whole table, sorted by path.

        A partition may name only some dimensions: the others are then taken whole.
        """
        described = TABLES[table]
        wanted = partition or {}
        if unknown := set(wanted) - set(described.partitions):
            raise ValueError(f"{table} is not partitioned by {sorted(unknown)}")
        folders = "/".join(f"{name}={wanted.get(name, '*')}" for name in described.partitions)
        return sorted((self.root / table).glob(f"{folders}/*.parquet"))

    def exists(self, table: str, partition: Partition) -> bool:
        """Say whether a partition has been written."""
        return bool(self.parts(table, partition))

    def folder(self, table: Table, partition: Partition) -> Path:
        """Return the folder of a partition, which names every dimension."""
        if set(partition) != set(table.partitions):
            raise ValueError(f"{table.name} is partitioned by {table.partitions}, not by {sorted(partition)}")
        return self.root.joinpath(table.name, *(f"{name}={partition[name]}" for name in table.partitions))
