"""What expectations found: rows of the lake's `expectation_results`, kept for exactly the bytes they saw.

Belongs here: the result of one expectation, the key it is kept under, reading and adding. Does not
belong here: evaluating.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields

import polars as pl
import pyarrow as pa

from dagster_project.identity import digest
from dagster_project.lake import TABLES, Lake, Partition
from dagster_project.quality.expectations.suites import Suite


@dataclass(frozen=True)
class ExpectationResult:
    """What one expectation found in one partition; ``observed`` and ``sample`` are JSON.

    Counts are rows. An expectation that could not be evaluated has not passed, and ``error`` says why.
    """

    expectation: str
    severity: str
    passed: bool
    element_count: int | None = None
    unexpected_count: int | None = None
    observed: str | None = None
    sample: str | None = None
    error: str | None = None


@dataclass(frozen=True)
class Subject:
    """Exactly what was checked, and by what: a partition's bytes and a suite's content."""

    table: str
    partition: str
    content_hash: str
    suite_hash: str

    @classmethod
    def of(cls, lake: Lake, partition: Partition, suite: Suite) -> Subject:
        """Return the present bytes of a partition under a suite."""
        key = partition_key(suite.table, partition)
        return cls(suite.table, key, lake.content_hash(suite.table, partition), suite.hash)

    @property
    def part(self) -> str:
        """Name of the part that holds the results."""
        return digest([self.table, self.partition, self.content_hash, self.suite_hash])


def partition_key(table: str, partition: Partition) -> str:
    """Return the partition's key as Dagster writes it: values in the table's order, joined by ``|``.

    Raises:
        ValueError: the partition does not name exactly the table's dimensions.
    """
    dimensions = TABLES[table].partitions
    if set(partition) != set(dimensions):
        raise ValueError(f"{table} is partitioned by {dimensions}, not by {sorted(partition)}")
    return "|".join(partition[name] for name in dimensions)


def find_results(lake: Lake, subject: Subject, suite: Suite) -> list[ExpectationResult] | None:
    """Return what was found for these bytes, in the suite's order; None if they were never checked."""
    folder = lake.folder(TABLES["expectation_results"], {"table": subject.table})
    part = folder / f"{subject.part}.parquet"
    if not part.exists():
        return None
    columns = [field.name for field in fields(ExpectationResult)]
    rows = pl.read_parquet(part, columns=columns, hive_partitioning=False).rows_by_key("expectation", named=True)
    return [ExpectationResult(expectation.slug, **rows[expectation.slug][0]) for expectation in suite.expectations]


def add_results(lake: Lake, subject: Subject, results: list[ExpectationResult]) -> None:
    """Keep results for good.

    Results with an error are not kept: what hindered the evaluation (memory, a library) may pass,
    and the same bytes could then never be found good.
    """
    if any(result.error for result in results):
        return
    rows = [asdict(subject) | asdict(result) for result in results]
    schema = TABLES["expectation_results"].schema
    lake.add("expectation_results", {"table": subject.table}, subject.part, pa.Table.from_pylist(rows, schema=schema))
