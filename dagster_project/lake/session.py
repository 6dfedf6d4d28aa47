"""One in-memory DuckDB for one step: tables come in as views, statements are run from `sql/`.

A statement is a file with a header::

    -- What it answers, in a sentence or two.
    -- inputs: responses, selected_prompts
    -- parameters: campaign, seed
    -- grain: task_id, position
    -- output: campaign, task_id, position

Names under ``inputs`` are relations that the session has under exactly these names;
names under ``parameters`` are used as ``$name``. A test holds every file to its header.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from dagster_project.lake.catalogue import TABLES, Table
from dagster_project.lake.paths import Partition, Paths
from dagster_project.project import PROJECT_ROOT

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

SQL_FOLDER = PROJECT_ROOT / "sql"
STREAMED_ROWS = 16_384
MEMORY_MEGABYTES = 1024
_NAME = re.compile(r"^[a-z_][a-z0-9_]*$")


@dataclass(frozen=True)
class Statement:
    """One file of `sql/` with its header."""

    name: str
    text: str
    summary: str
    inputs: tuple[str, ...]
    parameters: tuple[str, ...]
    grain: tuple[str, ...]
    output: tuple[str, ...]


@cache
def load_statement(name: str) -> Statement:
    """Read ``sql/<name>.sql``; the name may lead through folders, as in ``quality/closest``."""
    text = (SQL_FOLDER / f"{name}.sql").read_text(encoding="utf-8")
    fields: dict[str, tuple[str, ...]] = {}
    summary: list[str] = []
    key = ""
    for line in text.splitlines():
        if not line.startswith("--"):
            break
        words = line.removeprefix("--").strip()
        head, colon, rest = words.partition(":")
        if colon and head in ("inputs", "parameters", "grain", "output"):
            key, words = head, rest
        if key:
            fields[key] = fields.get(key, ()) + tuple(word.strip() for word in words.split(",") if word.strip())
        else:
            summary.append(words)
    return Statement(
        name,
        text,
        " ".join(summary),
        fields.get("inputs", ()),
        fields.get("parameters", ()),
        fields.get("grain", ()),
        fields.get("output", ()),
    )


class Session:
    """An in-memory DuckDB with a statement runner; use as a context manager.

    Example:
        >>> import polars as pl
        >>> with Session() as session:
        ...     session.frame("numbers", pl.DataFrame({"n": [1, 2, 3]}))
        ...     session.connection.execute("select sum(n) from numbers").fetchall()
        [(6,)]
    """

    def __init__(self) -> None:
        import duckdb  # noqa: PLC0415 - generation uses the lake without it, in many short processes

        offline: dict[str, Any] = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
        self.connection = duckdb.connect(":memory:", config=offline)
        self.connection.execute("set timezone = 'UTC'")
        self.connection.execute("set enable_progress_bar = false")
        # A view reads the footers of its files when it is made, and again each time that it is asked.
        self.connection.execute("set parquet_metadata_cache = true")
        self._files: set[Path] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.connection.close()

    def limit(self, spill: Path) -> None:
        """Hold DuckDB to a gigabyte of memory; what needs more goes to a folder on the disk meanwhile."""
        self.connection.execute(f"set memory_limit = '{MEMORY_MEGABYTES} MiB'")
        self.connection.execute("set temp_directory = '" + str(spill).replace("'", "''") + "'")

    def table(self, lake: Paths, table: str, partition: Partition | None = None, name: str | None = None) -> None:
        """Give a lake table, or one partition of it, as a view.

        Absent files give no rows, and columns that came into the table after a file was written are null in it.

        Raises:
            SteerworksError: a file is cut or damaged. This may also show when the view is asked.
        """
        view = _checked(name or table)
        described = TABLES[table]
        rows = _no_rows(described)
        parts = lake.parts(table, partition)
        self._files.update(parts)
        with self._naming_what_is_damaged():
            if parts:
                files = ", ".join("'" + str(path).replace("'", "''") + "'" for path in parts)
                there = f"from read_parquet([{files}], hive_partitioning = false, union_by_name = {len(parts) > 1})"
                is_older = self.connection.sql(there).columns != described.column_names
                rows = f"{rows} union all by name {there}" if is_older else there
            self.connection.execute(f"create or replace temp view {view} as {rows}")

    def frame(self, name: str, rows: pl.DataFrame | pa.Table) -> None:
        """Give rows from Python as a table."""
        import pyarrow as pa  # noqa: PLC0415 - loads slowly

        arrow = rows if isinstance(rows, pa.Table) else rows.to_arrow()
        self.connection.register("incoming_rows", arrow)
        self.connection.execute(f"create or replace temp table {_checked(name)} as from incoming_rows")
        self.connection.unregister("incoming_rows")

    def lend(self, name: str, rows: pl.DataFrame) -> None:
        """Give rows from Python as a view; nothing is copied, which pays for many rows that are read once or twice."""
        self.connection.register(_checked(name), rows.to_arrow())

    def create(self, name: str, statement: str, parameters: Mapping[str, Any] | None = None) -> None:
        """Keep the result of ``sql/<statement>.sql`` as a table for later statements."""
        loaded = load_statement(statement)
        with self._naming_what_is_damaged():
            self.connection.execute(
                f"create or replace temp table {_checked(name)} as\n{loaded.text}", _bound(loaded, parameters)
            )

    def view(self, name: str, statement: str) -> None:
        """Give the result of ``sql/<statement>.sql``, which takes no parameters, without keeping it."""
        text = load_statement(statement).text
        self.connection.execute(f"create or replace temp view {_checked(name)} as\n{text}")

    def stream(self, statement: str, parameters: Mapping[str, Any] | None = None) -> Iterator[pa.RecordBatch]:
        """Yield the result of ``sql/<statement>.sql`` some thousand rows at a time, types kept."""
        loaded = load_statement(statement)
        result = self.connection.sql(loaded.text, params=_bound(loaded, parameters) or None)
        yield from result.to_arrow_reader(STREAMED_ROWS)

    def batches(self, name: str) -> Iterator[pa.RecordBatch]:
        """Yield a table or view of this session some thousand rows at a time, in stored order, types kept."""
        yield from self.connection.sql(f"from {_checked(name)}").to_arrow_reader(STREAMED_ROWS)

    def query(self, statement: str, parameters: Mapping[str, Any] | None = None) -> pl.DataFrame:
        """Return the result of ``sql/<statement>.sql``."""
        loaded = load_statement(statement)
        with self._naming_what_is_damaged():
            result: pl.DataFrame = self.connection.sql(loaded.text, params=_bound(loaded, parameters) or None).pl()
        return result

    def records(self, statement: str, parameters: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Return the result of ``sql/<statement>.sql`` as dictionaries; for a few rows, at once."""
        loaded = load_statement(statement)
        with self._naming_what_is_damaged():
            found = self.connection.execute(loaded.text, _bound(loaded, parameters))
            names = [name for name, *_ in found.description]
            return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def rows(self, statement: str, parameters: Mapping[str, Any] | None = None) -> pa.Table:
        """Return the result of ``sql/<statement>.sql`` as Arrow, types kept."""
        loaded = load_statement(statement)
        with self._naming_what_is_damaged():
            return self.connection.sql(loaded.text, params=_bound(loaded, parameters) or None).to_arrow_table()

    def arrow(self, name: str) -> pa.Table:
        """Return a table or view of this session as Arrow, types kept."""
        with self._naming_what_is_damaged():
            return self.connection.sql(f"from {_checked(name)}").to_arrow_table()

    @contextmanager
    def _naming_what_is_damaged(self) -> Iterator[None]:
        """Name the file, if DuckDB fails for one that is cut or damaged: its own words do not always."""
        import duckdb  # noqa: PLC0415 - loads slowly

        try:
            yield
        except duckdb.Error:
            from dagster_project.lake.parquet import require_whole  # noqa: PLC0415 - loads slowly

            for path in sorted(filter(Path.exists, self._files)):
                require_whole(path)
            raise


def _bound(statement: Statement, parameters: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return just the parameters that a statement names, so that steps can share one dictionary."""
    given = parameters or {}
    if missing := [name for name in statement.parameters if name not in given]:
        raise ValueError(f"sql/{statement.name}.sql needs the parameters {missing}")
    return {name: given[name] for name in statement.parameters}


def _no_rows(table: Table) -> str:
    """Return a query that gives a table's columns, and no row."""
    columns = ", ".join(f"null::{column.type.sql} as {column.name}" for column in table.columns)
    return f"select {columns} where false"


def _checked(name: str) -> str:
    if not _NAME.match(name):
        raise ValueError(f"not a relation name: {name!r}")
    return name
