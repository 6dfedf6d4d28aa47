"""What changed since the parent release.

Belongs here: comparing rated responses and columns, and saying it. Does not belong here: which
version a change asks for.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from dagster_project.lake import Session
from dagster_project.releases.splits import SPLITS

EXPLANATIONS = {
    "added": "responses that the parent does not have",
    "removed": "responses that only the parent has",
    "changed": "responses that differ in a column that both have, or in their split",
    "kept": "responses that are the same",
}


def changelog(version: str, parent: str | None, releases: Path, files: Mapping[str, pa.Table]) -> str:
    """Return the text of CHANGELOG.md; ``files`` are the tables of the new release by path."""
    title = f"# Changes in {version}\n\n"
    rows = _with_splits(files)
    if parent is None:
        return f"{title}The first release: {rows.num_rows:,} rated responses.\n"
    older = _with_splits({path: pq.read_table(releases / parent / path, partitioning=None) for path in _data_files()})
    return f"{title}Against its parent {parent}, by task and response:\n\n{_counts(older, rows)}{_columns(older, rows)}"


def _counts(older: pa.Table, newer: pa.Table) -> str:
    common = [field.name for field in newer.schema if field.name in older.schema.names and _same_type(field, older)]
    with Session() as session:
        session.frame("parent_rows", older.select(common))
        session.frame("release_rows", newer.select(common))
        counts = {row["change"]: row["rows"] for row in session.query("release/changes").to_dicts()}
    lines = [f"| {change} | {counts[change]:,} | {text} |\n" for change, text in EXPLANATIONS.items()]
    return "| change | rows | |\n| --- | ---: | --- |\n" + "".join(lines)


def _columns(older: pa.Table, newer: pa.Table) -> str:
    lines = [
        *(f"- column `{field.name}` is new\n" for field in newer.schema if field.name not in older.schema.names),
        *(f"- column `{field.name}` is gone\n" for field in older.schema if field.name not in newer.schema.names),
        *(
            f"- column `{field.name}` has another type: {field.type}\n"
            for field in newer.schema
            if field.name in older.schema.names and not _same_type(field, older)
        ),
    ]
    return "\n" + "".join(lines) if lines else ""


def _same_type(field: pa.Field, table: pa.Table) -> bool:
    return bool(table.schema.field(field.name).type == field.type)


def _data_files() -> list[str]:
    return [f"data/{split}.parquet" for split in SPLITS]


def _with_splits(files: Mapping[str, pa.Table]) -> pa.Table:
    """Return the rated responses of all splits as one table that says which split each is in."""
    tables = [files[path] for path in _data_files()]
    return pa.concat_tables(
        table.append_column("split", pa.repeat(pa.scalar(split), table.num_rows))
        for table, split in zip(tables, SPLITS, strict=True)
    )
