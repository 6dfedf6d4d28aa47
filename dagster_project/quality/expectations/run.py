"""Checking a partition by its suite, once for the same bytes; and what a release must wait for.

Belongs here: what is checked, and when an earlier finding still holds. Does not belong here: how
Great Expectations is asked (`validation`), or Dagster.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from dagster_project.errors import SteerworksError
from dagster_project.lake import TABLES, Lake, Partition
from dagster_project.lake.parquet import write_parquet
from dagster_project.quality.expectations.results import (
    ExpectationResult,
    Subject,
    add_results,
    find_results,
    partition_key,
)
from dagster_project.quality.expectations.suites import Suite

MOST_CHECKS = 5
"""Of a partition that changes meanwhile: a run writes it once, and few runs share a cell."""


def check_partition(
    lake: Lake, table: str, partition: Partition, suites: Mapping[str, Suite]
) -> list[ExpectationResult]:
    """Return what each expectation of a table finds in one partition, in the suite's order.

    Bytes that were checked by the same suite before are not looked at again. A table without a
    suite has no results. A partition of a rebuilt table that was never written fails everything;
    in a table that is only added to, it has no rows yet.

    A partition that another run writes anew meanwhile is checked anew.

    Raises:
        SteerworksError: it was written anew each of so many times.
    """
    if table not in suites:
        return []
    suite = suites[table]
    if _is_unwritten(lake, table, partition):
        return [ExpectationResult(e.slug, e.severity, passed=False, error=_UNWRITTEN) for e in suite.expectations]
    for _ in range(MOST_CHECKS):
        subject = Subject.of(lake, partition, suite)
        if (known := find_results(lake, subject, suite)) is not None:
            return known
        results = _evaluate(suite, lake.parts(table, partition))
        if Subject.of(lake, partition, suite) == subject:
            add_results(lake, subject, results)
            return results
    raise SteerworksError(
        f"{table} ({subject.partition}) changed each of {MOST_CHECKS} times that it was checked. Run the check again "
        "when no run writes it."
    )


def unmet(lake: Lake, table: str, partition: Partition, suites: Mapping[str, Suite]) -> list[str]:
    """Return why a release may not read a partition: nothing if its present bytes passed.

    One message for each critical expectation that failed, or one if they were never checked.
    """
    if table not in suites:
        return []
    suite = suites[table]
    where = f"{table} ({partition_key(table, partition)})"
    if _is_unwritten(lake, table, partition):
        return [f"{where}: {_UNWRITTEN}"]
    results = find_results(lake, Subject.of(lake, partition, suite), suite)
    if results is None:
        return [
            f"{where}: no finding for its present rows: they were never checked, or an expectation could not be "
            f"evaluated. Run the checks of the asset `{TABLES[table].asset}`, and read what they say."
        ]
    why = {expectation.slug: expectation.description for expectation in suite.expectations}
    failed = [result for result in results if result.severity == "critical" and not result.passed]
    return [f"{where}: {result.expectation} failed{_figures(result)}. {why[result.expectation]}" for result in failed]


_UNWRITTEN = "has not been written; materialise it first"


def _is_unwritten(lake: Lake, table: str, partition: Partition) -> bool:
    return TABLES[table].parts == "rebuilt" and not lake.exists(table, partition)


def _evaluate(suite: Suite, files: list[Path]) -> list[ExpectationResult]:
    from dagster_project.quality.expectations.validation import evaluate  # noqa: PLC0415 - takes seconds

    if files:
        return evaluate(suite, files)
    with tempfile.TemporaryDirectory() as folder:
        empty = Path(folder) / "empty.parquet"
        table = TABLES[suite.table]
        write_parquet(empty, table.schema.empty_table(), table.row_group_rows)
        return evaluate(suite, [empty])


def _figures(result: ExpectationResult) -> str:
    if result.unexpected_count is not None:
        sample = f", such as {result.sample}" if result.sample else ""
        return f" ({result.unexpected_count} unexpected{sample})"
    return f" (found {result.observed})" if result.observed else ""
