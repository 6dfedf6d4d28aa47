"""What one withdrawal is about, how rows are known by it, and a cut: one file that loses what is withdrawn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial, reduce
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dagster_project.lake import TABLES, Lake
from dagster_project.lake.parquet import edit_parquet
from dagster_project.settings import Settings
from dagster_project.withdrawn import Register, Withdrawal

Marks = Mapping[str, frozenset[str]]
"""Ids by the column that has them."""
Row = dict[str, Any]
Edit = Callable[[Row], Row | None]
"""What is left of a row; nothing if it is None. Editing twice changes nothing more."""


@dataclass(frozen=True)
class Scope:
    """One withdrawal in one home, and the register that has it.

    ``worker`` is the vendor's own id, and ``texts`` are what a prompt's user says: both are stored nowhere.
    """

    lake: Lake
    settings: Settings
    withdrawal: Withdrawal
    register: Register
    worker: str | None = None
    texts: tuple[str, ...] = ()

    @property
    def marks(self) -> Marks:
        """What the rows of tables are known by."""
        tasks, worker = self.withdrawal.task_ids, self.withdrawal.pseudonym
        marks = {
            "prompt_id": self.withdrawal.prompt_ids,
            "task_id": tasks,
            "of_task_id": tasks,
            "annotator": frozenset([worker] if worker else []),
        }
        return {column: ids for column, ids in marks.items() if ids}


@dataclass(frozen=True)
class Cut:
    """One file that loses rows, lines or itself; ``store`` is its kind, ``rows`` how much of it goes."""

    store: str
    path: Path
    rows: int
    make: Callable[[], object]


def marked(rows: pa.Table, marks: Marks) -> pa.ChunkedArray:
    """Return for each row whether one of its columns has an id that is marked."""
    masks = [
        pc.is_in(rows[column], value_set=pa.array(sorted(ids), pa.string()))
        for column, ids in marks.items()
        if column in rows.column_names
    ]
    return reduce(pc.or_, masks) if masks else pa.chunked_array([pa.array([False] * rows.num_rows)])


def count_marked(path: Path, marks: Marks) -> int:
    """Count a Parquet file's rows that are marked, reading nothing but the columns of ids."""
    with pq.ParquetFile(path) as file:
        columns = [column for column in marks if column in file.schema_arrow.names]
        groups = range(file.num_row_groups) if columns else ()
        return sum(pc.sum(marked(file.read_row_group(n, columns), marks)).as_py() or 0 for n in groups)


def dropping(lake: Lake, table: str, marks: Marks) -> Iterator[Cut]:
    """Yield a cut for each part of a table that has marked rows: they go."""
    for path in lake.parts(table):
        if count := count_marked(path, marks):
            yield Cut(f"lake/{table}", path, count, partial(drop, path, marks))


def drop(path: Path, marks: Marks) -> None:
    """Write a Parquet file without its marked rows."""
    edit_parquet(path, lambda rows: rows.filter(pc.invert(marked(rows, marks))))


def editing(
    lake: Lake, table: str, partition: Mapping[str, str] | None, is_meant: Callable[[pa.Table], Any], edit: Edit
) -> Iterator[Cut]:
    """Yield a cut for each part of a table in which rows that are meant would be edited to something else.

    Args:
        lake: whose table.
        table: its name.
        partition: of the table; None for all of it.
        is_meant: says of each of some rows whether it is to be edited. They are few, and pass through Python.
        edit: what is left of a row.
    """

    def edited(rows: pa.Table) -> pa.Table:
        mask = is_meant(rows)
        told = [left for row in rows.filter(mask).to_pylist() if (left := edit(row)) is not None]
        parts = [rows.filter(pc.invert(mask)), pa.Table.from_pylist(told, schema=rows.schema)]
        return pa.concat_tables(parts).sort_by([(name, "ascending") for name in TABLES[table].grain])

    for path in lake.parts(table, partition):
        if count := sum(edit(row) != row for row in _meant(path, is_meant)):
            yield Cut(f"lake/{table}", path, count, partial(edit_parquet, path, edited))


def _meant(path: Path, is_meant: Callable[[pa.Table], Any]) -> Iterator[Row]:
    with pq.ParquetFile(path) as file:
        for number in range(file.num_row_groups):
            rows = file.read_row_group(number)
            yield from rows.filter(is_meant(rows)).to_pylist()
