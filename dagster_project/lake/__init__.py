"""The lake: Parquet tables, their catalogue, and in-memory DuckDB sessions over them.

Belongs here: how tables are described, stored and asked. Does not belong here: any knowledge
of prompts, models, vendors or ratings beyond the catalogue's words.
"""

from dagster_project.lake.catalogue import TABLES, Column, Table
from dagster_project.lake.session import Session, Statement, load_statement
from dagster_project.lake.store import Lake, Partition, Written

__all__ = ["TABLES", "Column", "Lake", "Partition", "Session", "Statement", "Table", "Written", "load_statement"]
