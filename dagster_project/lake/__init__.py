"""The lake: Parquet tables, their catalogue, and in-memory DuckDB sessions over them.

Belongs here: how tables are described, stored and asked. Does not belong here: any knowledge
of prompts, models, vendors or ratings beyond the catalogue's words.

Where rows are read and written is imported when it is asked for, and Arrow with it: who asks DuckDB needs neither.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dagster_project.lake.catalogue import TABLES, Column, Table
from dagster_project.lake.paths import Partition, Paths
from dagster_project.lake.session import Session, Statement, load_statement
from dagster_project.lazily import offering

if TYPE_CHECKING:
    from dagster_project.lake.store import Lake, Written

__all__ = [
    "TABLES",
    "Column",
    "Lake",
    "Partition",
    "Paths",
    "Session",
    "Statement",
    "Table",
    "Written",
    "load_statement",
]

__getattr__ = offering(__name__, {"Lake": "store", "Written": "store"})
