"""Every file of `sql/` says truly what it reads, takes and gives."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import duckdb
import pytest

from dagster_project.lake import Statement, load_statement
from dagster_project.lake.session import SQL_FOLDER

NAMES = sorted(str(path.relative_to(SQL_FOLDER).with_suffix("")) for path in SQL_FOLDER.rglob("*.sql"))


@pytest.fixture(params=NAMES)
def statement(request: pytest.FixtureRequest) -> Statement:
    return load_statement(request.param)


@cache
def _open_duckdb() -> duckdb.DuckDBPyConnection:
    """Open one for all statements: that takes longer than parsing them."""
    return duckdb.connect()


@cache
def parsed(statement: Statement) -> dict[str, Any]:
    """DuckDB's own syntax tree of the one statement of a file.

    Not `get_table_names`: it binds columns, and so needs the tables it is asked to name.
    """
    [(text,)] = _open_duckdb().execute("select json_serialize_sql(?)", [statement.text]).fetchall()
    tree: dict[str, Any] = json.loads(text)
    assert not tree["error"], tree.get("error_message")
    [only] = tree["statements"]
    return dict(only["node"])


def nodes(tree: Any) -> Iterator[dict[str, Any]]:
    if isinstance(tree, dict):
        yield tree
    for child in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        yield from nodes(child)


def relations_read(tree: dict[str, Any]) -> set[str]:
    """Names of the relations that are read and not made in the statement itself."""
    read = {node["table_name"] for node in nodes(tree) if node.get("type") == "BASE_TABLE"}
    made = {entry["key"] for node in nodes(tree) if "cte_map" in node for entry in node["cte_map"]["map"]}
    return read - made


def columns_given(node: dict[str, Any]) -> list[str] | None:
    """Names of the columns of the result, or None where a star leaves them open."""
    if node["type"] != "SELECT_NODE":
        return columns_given(node["children"][0])
    chosen = node["select_list"]
    if any(column["class"] == "STAR" for column in chosen):
        return None
    return [column["alias"] or column.get("column_names", [""])[-1] for column in chosen]


def test_there_is_something_to_hold_to_its_header() -> None:
    assert NAMES


def test_a_statement_says_what_it_answers_and_names_its_grain_and_output(statement: Statement) -> None:
    assert statement.summary.endswith(".")
    assert statement.grain
    assert set(statement.grain) <= set(statement.output)


def test_a_statement_reads_exactly_the_inputs_it_names(statement: Statement) -> None:
    assert sorted(statement.inputs) == sorted(relations_read(parsed(statement)))


def test_a_statement_takes_exactly_the_parameters_it_names(statement: Statement) -> None:
    [only] = duckdb.extract_statements(statement.text)
    assert sorted(statement.parameters) == sorted(only.named_parameters)


def test_a_statement_gives_exactly_the_columns_it_names(statement: Statement) -> None:
    given = columns_given(parsed(statement))
    assert given is None or given == list(statement.output)
