"""DuckDB for Great Expectations, which has no back end for it.

Belongs here: the smallest dialect, engine and datasource that make its SQL back end work. Does not
belong here: what is expected. Importing this module imports Great Expectations and takes seconds:
only `validation` does so.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Literal

import duckdb_engine
from great_expectations.datasource.fluent.sql_datasource import SQLDatasource
from great_expectations.execution_engine import SqlAlchemyExecutionEngine
from sqlalchemy.dialects import registry

CONNECTION_STRING = "duckdb+statements:///:memory:"


class StatementDialect(duckdb_engine.Dialect):  # type: ignore[misc]
    """DuckDB without transactions: each statement stands alone.

    All statements only read. Within a transaction one that fails would abort it, and every
    expectation after it would fail with an error that is not its own.
    """

    supports_statement_cache = True

    def do_begin(self, dbapi_connection: Any) -> None:
        """Begin nothing."""

    def do_commit(self, dbapi_connection: Any) -> None:
        """Commit nothing."""

    def do_rollback(self, dbapi_connection: Any) -> None:
        """Roll back nothing."""


registry.register("duckdb.statements", __name__, StatementDialect.__name__)


class DuckDBExecutionEngine(SqlAlchemyExecutionEngine):  # type: ignore[misc]
    """Keeps one connection open.

    The base class closes it before the rows are fetched, and DuckDB's rows go with their connection.
    """

    _connection: Any

    @contextmanager
    def get_connection(self) -> Iterator[Any]:
        """Give the one connection."""
        if not self._connection:
            self._connection = self.engine.connect()
        yield self._connection

    def close(self) -> None:
        """Close the one connection too, and with it the in-memory database; but once.

        The base class closes again when it is found to be garbage. That makes a new pool, and all
        that hangs together with it is not let go that time.
        """
        if self._connection:
            self._connection.close()
            self._connection = None
            super().close()


class DuckDBDatasource(SQLDatasource):  # type: ignore[misc]
    """Adds ``context.data_sources.add_duckdb``."""

    type: Literal["duckdb"] = "duckdb"
    execution_engine_override: ClassVar[Any] = DuckDBExecutionEngine

    def test_connection(self, test_assets: bool = True) -> None:
        """Open nothing: a database in memory is always there.

        The base class would open a second one, and never close it: it stays, some megabytes, until
        Python looks for garbage among all that ever lived.
        """
