"""One suite over some Parquet files, by Great Expectations.

Belongs here: all that touches its objects, and turning its answers into `ExpectationResult`. Does
not belong here: which files, and what is kept. Importing this module takes seconds: only `run` does
so, and only when there is something to evaluate.

A sample names rows and never quotes what people or models wrote, so that a withdrawn prompt is not
left behind in results.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import great_expectations as gx
import pyarrow.parquet as pq
from great_expectations.data_context.types.base import ProgressBarsConfig

from dagster_project.errors import SteerworksError
from dagster_project.lake import TABLES
from dagster_project.quality.expectations import engine
from dagster_project.quality.expectations.results import ExpectationResult
from dagster_project.quality.expectations.suites import Expectation, Suite
from dagster_project.quality.expectations.vocabulary import ROWS_QUERY

SAMPLE_ROWS = 5
_TEXTS = frozenset({"messages", "response", "extra", "justification", "statement", "all_preferences"})


def evaluate(suite: Suite, files: Sequence[Path]) -> list[ExpectationResult]:
    """Return what each expectation finds in the files, in the suite's order.

    The rows stay in DuckDB, which reads the files; only counts and samples come out.

    Raises:
        SteerworksError: Great Expectations refuses an argument of the suite.
    """
    rows = sum(pq.read_metadata(file).num_rows for file in files)
    found: dict[str, ExpectationResult] = {}
    with _opened(files) as batch:
        for expectations, result_format in _by_format(suite):
            outcome = batch.validate(_gx_suite(suite.table, expectations), result_format=result_format)
            for answer in outcome.results:
                expectation = expectations[answer.expectation_config.meta["name"]]
                found[expectation.slug] = _result(expectation, answer, rows)
    return [found[expectation.slug] for expectation in suite.expectations]


@contextmanager
def _opened(files: Sequence[Path]) -> Iterator[Any]:
    """Give the files as a batch, in an in-memory DuckDB of its own."""
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    config = {
        "temp_directory": tempfile.gettempdir(),
        "autoinstall_known_extensions": "false",
        "parquet_metadata_cache": "true",  # without it each statement of a suite reads the footers anew
    }
    datasource = context.data_sources.add_duckdb(
        "lake", connection_string=engine.CONNECTION_STRING, kwargs={"connect_args": {"config": config}}
    )
    listed = ", ".join("'" + str(file).replace("'", "''") + "'" for file in files)
    asset = datasource.add_query_asset("rows", f"select * from read_parquet([{listed}], hive_partitioning = false)")
    try:
        yield asset.add_batch_definition_whole_table("partition").get_batch()
    finally:
        datasource.get_execution_engine().close()


def _by_format(suite: Suite) -> list[tuple[dict[str, Expectation], dict[str, Any]]]:
    """Split a suite by what must be asked for: only COMPLETE brings the rows that a query found.

    For all other types COMPLETE would fetch every offending row, and SUMMARY brings a sample.
    """
    queries = {e.slug: e for e in suite.expectations if e.type == ROWS_QUERY}
    others = {e.slug: e for e in suite.expectations if e.type != ROWS_QUERY}
    summary = {
        "result_format": "SUMMARY",
        "partial_unexpected_count": SAMPLE_ROWS,
        "unexpected_index_column_names": list(TABLES[suite.table].grain),
    }
    return [group for group in ((queries, {"result_format": "COMPLETE"}), (others, summary)) if group[0]]


def _gx_suite(table: str, expectations: dict[str, Expectation]) -> Any:
    entries = [
        {"type": e.type, "kwargs": e.kwargs, "severity": e.severity, "meta": {"name": slug}}
        for slug, e in expectations.items()
    ]
    try:
        suite = gx.ExpectationSuite(name=table, expectations=entries)
    except Exception as error:
        raise SteerworksError(f"Great Expectations refuses the suite of `{table}`: {error}") from error
    loaded = {expectation.meta["name"] for expectation in suite.expectations}
    if dropped := expectations.keys() - loaded:
        raise SteerworksError(f"Great Expectations dropped these expectations of `{table}`: {sorted(dropped)}")
    return suite


def _result(expectation: Expectation, answer: Any, rows: int) -> ExpectationResult:
    error = _error_of(answer.exception_info or {})
    result = answer.result or {}
    observed = result.get("observed_value")
    is_query = expectation.type == ROWS_QUERY
    return ExpectationResult(
        expectation.slug,
        expectation.severity,
        passed=bool(answer.success) and error is None,
        element_count=result.get("element_count", rows),
        unexpected_count=observed if is_query else result.get("unexpected_count"),
        observed=None if observed is None or is_query else _json(observed),
        sample=_sample(expectation, result),
        error=error,
    )


def _error_of(info: dict[str, Any]) -> str | None:
    """Return the exception's own text; its place is flat, or under the id of the metric that raised it."""
    infos = [info, *(nested for nested in info.values() if isinstance(nested, dict))]
    messages = [str(each.get("exception_message")).strip() for each in infos if each.get("raised_exception")]
    return "\n".join(dict.fromkeys(messages)) or None


def _sample(expectation: Expectation, result: dict[str, Any]) -> str | None:
    """Return some offending rows by their grain, or else some offending values."""
    rows = result.get("partial_unexpected_index_list") or result.get("details", {}).get("unexpected_rows")
    values = rows or result.get("partial_unexpected_list") or []
    if rows is None and _TEXTS.intersection(expectation.columns):
        return None
    shown = [_without_texts(value) for value in values[:SAMPLE_ROWS]]
    return _json(shown) if shown else None


def _without_texts(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {name: cell for name, cell in value.items() if name not in _TEXTS}


def _json(value: Any) -> str:
    return json.dumps(value, default=str, ensure_ascii=False)
