"""What differs between two releases, row by row, and why.

Belongs here: comparing two folders. Does not belong here: saying it (`changelog`, the command line), or which version
a difference asks for (`steps`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq

from dagster_project.lake import Session
from dagster_project.releases.folders import SPLIT_TABLES, open_table, split_files
from dagster_project.releases.manifest import Manifest
from dagster_project.releases.shapes import SPREAD
from dagster_project.releases.splits import SPLITS

CHANGES = ("added", "removed", "changed", "kept")
SIDES = ("older", "newer")
TEXT = ("prompt", "response", "messages")
KEYS = {
    "data": ("task_id", "response_id"),
    "preference": ("task_id",),
    "annotations": ("task_id", "response_id", "annotator"),
}
ALL_KEYS = KEYS["annotations"]
REASONS = {
    "new_model": "of a model that the earlier release has nothing of",
    "new_campaign": "of a campaign that is new",
    "new_task": "of a task that is new in its campaign",
    "new_ratings": "the ratings of the task are others",
    "policy": "the same ratings under another policy, or trust in other annotators",
    "licence": "the licence gate",
    "personal_data": "the scan for personal data",
    "splits": "its prompt would link clusters on both sides of the split",
    "campaign_left": "its campaign is no part of the release any more",
    "withdrawn": "its task is gone: withdrawn",
    "split": "its prompt is in the other split",
    "text": "its text is another",
    "provenance": "what is said about it, such as the vendor or the model, is another",
}


@dataclass(frozen=True)
class Folder:
    """A release's folder and what its ratings mean: attribute names, and which of them decide."""

    path: Path
    attributes: tuple[str, ...]
    deciding: tuple[str, ...]


def folder_of(path: Path, manifest: Manifest) -> Folder:
    """Return a release's folder with what its manifest says of the ratings."""
    return Folder(path, tuple(manifest.rubric.attributes), tuple(manifest.rubric.deciding))


@dataclass(frozen=True)
class Breach:
    """The first row of a table that is not as it was, or is new, and in which columns it differs."""

    table: str
    key: dict[str, str]
    kind: str
    values: dict[str, tuple[Any, Any]]

    def __str__(self) -> str:
        row = ", ".join(f"{name} {value}" for name, value in self.key.items())
        words = {"removed": "is gone", "moved": "is in the other split", "added": "is new"}
        values = ", ".join(f"{name} {_short(old)} became {_short(new)}" for name, (old, new) in self.values.items())
        return f"`{self.table}`, {row}: {words.get(self.kind) or values or 'its values changed'}"


@dataclass(frozen=True)
class Difference:
    """Rated responses by change and reason, columns of each table, and statistics side by side.

    ``statistics`` has the columns measure, n, mean, deviation, correlation, each but the first with the suffixes
    ``_older`` and ``_newer``. ``breaches`` holds at most one row a table.
    """

    counts: list[dict[str, Any]]
    columns_gone: dict[str, list[str]]
    columns_new: dict[str, list[str]]
    columns_retyped: dict[str, list[str]]
    statistics: list[dict[str, Any]]
    breaches: tuple[Breach, ...]
    rows: list[dict[str, Any]]

    def total(self, change: str) -> int:
        """Return how many rated responses met a change."""
        return sum(row["rows"] for row in self.counts if row["change"] == change)


def difference(older: Folder, newer: Folder, listed: int, spill: Path) -> Difference:
    """Compare two release folders.

    Args:
        older: the one before.
        newer: the one after.
        listed: how many rows of each change and reason are named.
        spill: a folder for what the memory does not hold.
    """
    with Session() as opened:
        opened.limit(spill)
        for side, folder in zip(SIDES, (older, newer), strict=True):
            _open(opened, side, folder, common=_common(older, newer))
        opened.create("row_changes", "diff/row_changes")
        columns = [_columns(older, newer, table) for table in SPLIT_TABLES]
        return Difference(
            counts=opened.query("diff/change_counts").to_dicts(),
            columns_gone=_named(column[0] for column in columns),
            columns_new=_named(column[1] for column in columns),
            columns_retyped=_named(column[2] for column in columns),
            statistics=_statistics(opened, older, newer),
            breaches=tuple(_breaches(opened, older, newer)),
            rows=opened.query("diff/listed_changes", {"most": listed}).to_dicts(),
        )


def _common(older: Folder, newer: Folder) -> dict[str, list[str]]:
    """Return for each table the columns that both have with the same type, in the older one's order."""
    before = {table: _columns_of(older.path, table) for table in SPLIT_TABLES}
    after = {table: _columns_of(newer.path, table) for table in SPLIT_TABLES}
    return {
        table: [name for name, kind in columns.items() if after[table].get(name) == kind]
        for table, columns in before.items()
    }


def _columns(older: Folder, newer: Folder, table: str) -> tuple[dict[str, list[str]], ...]:
    before, after = _columns_of(older.path, table), _columns_of(newer.path, table)
    retyped = [name for name in before if name in after and before[name] != after[name]]
    gone = [name for name in before if name not in after]
    return {table: gone}, {table: [name for name in after if name not in before]}, {table: retyped}


def _columns_of(folder: Path, table: str) -> dict[str, str]:
    """Return the columns of a table that has splits, name to Arrow type."""
    schema = pq.read_schema(split_files(folder, table)[SPLITS[0]])
    return {field.name: str(field.type) for field in schema}


def _named(found: Iterable[Mapping[str, list[str]]]) -> dict[str, list[str]]:
    return {table: names for entry in found for table, names in entry.items() if names}


def _open(session: Session, side: str, folder: Folder, common: Mapping[str, list[str]]) -> None:
    """Give the relations of one side: of text only hashes, as two releases may be larger than the memory."""
    for table in SPLIT_TABLES:
        open_table(session, f"{side}_{table}", folder.path, table)
    open_table(session, f"{side}_tasks", folder.path, "provenance/tasks")
    data = common["data"]
    rated = [*folder.attributes, *(name + SPREAD for name in folder.attributes), "n_annotators"]
    _execute(
        session,
        f"create or replace temp table {side}_rows as select task_id, response_id, model, campaign, split, "
        f"{_hash(name for name in data if name in TEXT)} as text, "
        f"{_hash(name for name in data if name in rated)} as ratings, {_hash(data)} as fingerprint from {side}_data",
    )
    scores = [name for name in folder.attributes if name in common["annotations"]]
    _execute(
        session,
        f"create or replace temp table {side}_ratings as select task_id, "
        f"bit_xor({_hash(['response_id', 'annotator', *scores])}) as ratings from {side}_annotations group by task_id",
    )
    for table in SPLIT_TABLES:
        keys = [name if name in KEYS[table] else f"'' as {name}" for name in ALL_KEYS]
        # The text of `data` is long, and hashed already.
        source = (
            f"fingerprint from {side}_rows"
            if table == "data"
            else f"{_hash(common[table])} as fingerprint from {side}_{table}"
        )
        _execute(
            session, f"create or replace temp view {side}_{table}_keyed as select {', '.join(keys)}, split, {source}"
        )


def _execute(session: Session, statement: str) -> None:
    session.connection.execute(statement)


def _hash(names: Iterable[str]) -> str:
    return f"hash({', '.join(['0', *(_quoted(name) for name in names)])})"


def _quoted(name: str) -> str:
    return f'"{name}"'


def _breaches(session: Session, older: Folder, newer: Folder) -> Iterator[Breach]:
    for table in SPLIT_TABLES:
        for side in SIDES:
            _execute(session, f"create or replace temp view {side}_keyed as from {side}_{table}_keyed")
        session.create("breaches", "diff/breaches")
        for row in session.query("diff/first_breach").to_dicts():
            key = {name: row[name] for name in KEYS[table]}
            is_changed = row["breach"] == "changed"
            values = _values(session, table, key, _common(older, newer)[table]) if is_changed else {}
            yield Breach(table, key, row["breach"], values)


def _values(session: Session, table: str, key: Mapping[str, str], columns: list[str]) -> dict[str, tuple[Any, Any]]:
    """Return the columns in which one row differs, with both values."""
    condition = " and ".join(f"{name} = ?" for name in key)
    old, new = (
        session.connection.sql(f"from {side}_{table} where {condition}", params=list(key.values()))
        .pl()
        .row(0, named=True)
        for side in SIDES
    )
    return {name: (old[name], new[name]) for name in columns if old[name] != new[name]}


def _statistics(session: Session, older: Folder, newer: Folder) -> list[dict[str, Any]]:
    before, after = (_of_one(session, side, folder) for side, folder in zip(SIDES, (older, newer), strict=True))
    joined = before.join(after, on="measure", how="full", suffix="_newer", coalesce=True, maintain_order="left_right")
    renamed = {name: f"{name}_older" for name in before.columns if name != "measure"}
    return joined.rename(renamed).to_dicts()


def _of_one(session: Session, side: str, folder: Folder) -> pl.DataFrame:
    """Return the statistics of one release, as its card has them."""
    scores = ", ".join(f'"{name}"' for name in folder.attributes)
    _execute(
        session,
        f"create or replace temp view rated_responses as select [{scores}] as scores, len(messages) as turns, "
        "list_sum(list_transform(messages, lambda message: length(message.content))) as prompt_chars, "
        f"length(response) as response_chars from {side}_data",
    )
    rubric = [
        {"attribute": name, "position": place, "decides": name in folder.deciding}
        for place, name in enumerate(folder.attributes, start=1)
    ]
    session.frame("rubric", pl.DataFrame(rubric))
    return session.query("release/statistics").drop("place")


def _short(value: Any) -> str:
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 40 else f"{text[:36]} …"
