"""Expectations: what must hold of each table, checked by Great Expectations over DuckDB.

Belongs here: suites, running them, and keeping what they found. Does not belong here: how Dagster
shows it (`dagster_project.checks`). Importing this package does not import Great Expectations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dagster_project.lazily import offering

if TYPE_CHECKING:
    from dagster_project.quality.expectations.ahead import ChecksAhead
    from dagster_project.quality.expectations.results import ExpectationResult, partition_key
    from dagster_project.quality.expectations.run import check_partition, unmet
    from dagster_project.quality.expectations.suites import Expectation, Suite, load_suites

_MODULES = {
    "ChecksAhead": "ahead",
    "Expectation": "suites",
    "ExpectationResult": "results",
    "Suite": "suites",
    "check_partition": "run",
    "load_suites": "suites",
    "partition_key": "results",
    "unmet": "run",
}
"""Where each name comes from."""

__all__ = [
    "ChecksAhead",
    "Expectation",
    "ExpectationResult",
    "Suite",
    "check_partition",
    "load_suites",
    "partition_key",
    "unmet",
]

__getattr__ = offering(__name__, _MODULES)
