"""What Great Expectations can expect, read from its own schema files without importing it.

Importing it takes seconds and 230 MB, and every process that loads the definitions would pay. The
package carries one JSON schema for each expectation: its arguments, and which of them are required.
Belongs here: that vocabulary, less what cannot run on DuckDB. Does not belong here: suites.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from dagster_project.errors import SteerworksError

ROWS_QUERY = "unexpected_rows_expectation"
"""The type whose argument is SQL that selects the rows that break the rule."""

_MATCHES = f"write it as `{ROWS_QUERY}` with `regexp_matches(column, 'pattern')` in its query"
_TYPES = "a column's type is held by lake/catalogue.py, and every part is written with it"
_ONE_TABLE = "a suite sees one partition of one table"
_QUERY = f"write it as `{ROWS_QUERY}`"
_NOT_ON_DUCKDB = {
    "expect_column_values_to_match_regex": _MATCHES,
    "expect_column_values_to_match_regex_list": _MATCHES,
    "expect_column_values_to_not_match_regex": _MATCHES,
    "expect_column_values_to_not_match_regex_list": _MATCHES,
    "expect_column_values_to_match_like_pattern": _MATCHES,
    "expect_column_values_to_match_like_pattern_list": _MATCHES,
    "expect_column_values_to_not_match_like_pattern": _MATCHES,
    "expect_column_values_to_not_match_like_pattern_list": _MATCHES,
    "expect_column_type_to_be": _TYPES,
    "expect_column_values_to_be_of_type": _TYPES,
    "expect_column_values_to_be_in_type_list": _TYPES,
    "expect_column_values_to_match_strftime_format": _QUERY,
    "expect_column_values_to_not_be_outliers": _QUERY,
    "expect_query_results_to_match_comparison": _ONE_TABLE,
    "expect_table_row_count_to_equal_other_table": _ONE_TABLE,
}
# What a suite says elsewhere or not at all; conditions on rows are deprecated there, and plainer in a query.
_NOT_ARGUMENTS = frozenset(
    {"id", "meta", "notes", "result_format", "description", "catch_exceptions", "rendered_content", "severity"}
    | {"windows", "batch_id", "metadata", "library_metadata", "row_condition", "condition_parser"}
)


@dataclass(frozen=True)
class Arguments:
    """What an expectation takes under ``kwargs``."""

    names: frozenset[str]
    required: frozenset[str]


def require_known(what: str, name: str, known: Iterable[str]) -> None:
    """Refuse a name that is not among those known, and say which one was probably meant.

    Raises:
        ValueError: the name is unknown.
    """
    names = sorted(known)
    if name not in names:
        near = get_close_matches(name, names, n=1, cutoff=0.5)
        raise ValueError(f"unknown {what} `{name}`; " + (f"did you mean `{near[0]}`?" if near else _all(names)))


def require_type(name: str) -> None:
    """Refuse an expectation type that does not exist, or that cannot be evaluated on DuckDB.

    Raises:
        ValueError: it is one of these; the text says what to write instead.
    """
    require_known("expectation type", name, _schema_files())
    if name in _NOT_ON_DUCKDB:
        raise ValueError(f"`{name}` cannot be evaluated here: {_NOT_ON_DUCKDB[name]}")


def usable_types() -> list[str]:
    """Return every type that a suite may name, sorted."""
    return sorted(set(_schema_files()) - set(_NOT_ON_DUCKDB))


@cache
def arguments_of(expectation_type: str) -> Arguments:
    """Return what one known type takes."""
    schema = _read(_schema_files()[expectation_type])
    return Arguments(frozenset(schema["properties"]) - _NOT_ARGUMENTS, frozenset(schema.get("required", ())))


@cache
def _schema_files() -> dict[str, str]:
    return {name: entry["schema_file"] for name, entry in _read("index.json")["expectations"].items()}


def _read(file: str) -> dict[str, Any]:
    spec = find_spec("great_expectations")
    if spec is None or not spec.submodule_search_locations:
        raise SteerworksError("great_expectations is not installed. Install requirements.lock into this environment.")
    folder = Path(spec.submodule_search_locations[0]) / "expectations" / "core" / "schemas"
    content: dict[str, Any] = json.loads((folder / file).read_text(encoding="utf-8"))
    return content


def _all(names: list[str]) -> str:
    return f"known are: {', '.join(names) or 'none'}"
