"""Whether a suite's SQL can run: DuckDB binds it to the empty tables of the catalogue.

A misspelt column shows when the suite is read, and not at night when the rows are there. Belongs
here: the empty tables and the binding. Does not belong here: running queries over rows.
"""

from __future__ import annotations

import re
from functools import cache

import duckdb

from dagster_project.lake import TABLES, Session


def require_query(table: str, query: str) -> None:
    """Refuse a query that cannot run over a partition of a table.

    Raises:
        ValueError: it does not read from ``{batch}``, or DuckDB refuses it; the text is DuckDB's.
    """
    if "{batch}" not in query:
        raise ValueError("the query must read from `{batch}`, which stands for the partition that is checked")
    # Great Expectations gives {batch} an alias of its own, unless the query joins.
    alias = "" if re.search(r"\bjoin\b", query, re.IGNORECASE) else " as subselect"
    try:
        bound = query.format(batch=f"(from {table}){alias}")
        # Making a view of it binds it, and unlike an explanation plans nothing.
        _empty_tables().connection.execute(f"create or replace temp view checked as {bound}")
    except (duckdb.Error, KeyError, IndexError, ValueError) as error:
        raise ValueError(f"the query does not run: {str(error).strip()}") from None


@cache
def _empty_tables() -> Session:
    """Open one session for all suites: that takes longer than binding their queries.

    The tables are declared, not registered from Arrow: DuckDB would import pandas to look at them.
    """
    session = Session()
    for table in TABLES.values():
        columns = ", ".join(f'"{column.name}" {column.type.sql}' for column in table.columns)
        session.connection.execute(f"create temp table {table.name} ({columns})")
    return session
