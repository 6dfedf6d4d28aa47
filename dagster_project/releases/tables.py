"""The tables of a release, made from the lake and written to its folder.

Belongs here: running the statements of ``sql/release`` in order, giving their results the release's shapes, and
writing them some rows at a time: a release may be larger than the memory. Does not belong here: what else lies in
the folder (`build`), or counting for the card (`card`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from dagster_project.lake import Session
from dagster_project.releases.flat_text import flatten
from dagster_project.releases.row_groups import RowGroups, row_groups
from dagster_project.releases.shapes import SPREAD, Shape, release_shapes, with_attributes
from dagster_project.releases.side_by_side import SideBySide
from dagster_project.settings import Rubric

STATEMENTS = {
    "task_fates": "release/task_fates",
    "rated_responses": "release/rated_responses",
    "task_preferences": "release/task_preferences",
    "released_prompts": "release/released_prompts",
    "model_shares": "release/model_shares",
    "exclusions": "release/exclusions",
}
"""Relations of the release, in the order in which they are made from each other; none of them holds text."""
STRETCH_ROWS = 65_536
"""Rows that are joined with their text at a time."""


def make_relations(session: Session) -> None:
    """Make every relation of the release in a session that has its inputs."""
    for name, statement in STATEMENTS.items():
        session.create(name, statement)
    session.view("single_annotations", "release/single_annotations")


def write_tables(session: Session, rubric: Rubric, folder: Path) -> dict[str, pq.FileMetaData]:
    """Write every Parquet file of the release into a folder; return what each holds, by path."""
    return {
        path: pq.read_metadata(folder / path)
        for name, shape in release_shapes(rubric).items()
        for path in _write(shape, _rows(session, name, rubric), folder)
    }


def _write(shape: Shape, rows: Iterator[pl.DataFrame], folder: Path) -> list[str]:
    """Write the files of one table; return their paths."""
    with ExitStack() as files:
        groups: Mapping[str, RowGroups] = {
            path: files.enter_context(row_groups(folder / path, shape.schema)) for path in shape.paths
        }
        written = files.enter_context(SideBySide())
        for some in rows:
            for path, table in shape.files(some).items():
                written.write(path, partial(groups[path].add, table))
    return list(groups)


def _rows(session: Session, name: str, rubric: Rubric) -> Iterator[pl.DataFrame]:
    """Yield the rows of one table in order, with the columns that its shape names."""
    rated = partial(with_attributes, rubric=rubric)
    match name:
        case "data":
            for rows in _with_text(session, "rated_responses", "release/data_rows"):
                yield rated(rated(_flat(rows), "scores"), "spreads", suffix=SPREAD)
        case "preference":
            for rows in _with_text(session, "task_preferences", "release/preference_rows"):
                yield _flat(rows)
        case "annotations":
            for rows in _frames(session.stream("release/single_annotations")):
                yield rated(rows, "scores")
        case "provenance/prompts":
            yield from _frames(session.stream("release/prompt_rows"))
        case _:
            yield from _frames(session.batches(_RELATIONS[name]))


_RELATIONS = {
    "provenance/models": "model_shares",
    "provenance/exclusions": "exclusions",
    "provenance/tasks": "task_fates",
}


def _with_text(session: Session, relation: str, statement: str) -> Iterator[pl.DataFrame]:
    """Yield the rows of a relation in order of place, joined with their text a stretch at a time."""
    session.connection.execute(f"create or replace temp view placed_rows as from {relation}")
    for stretch in session.query("release/stretches", {"rows": STRETCH_ROWS}).to_dicts():
        bounds: dict[str, Any] = stretch
        yield from _frames(session.stream(statement, bounds))


def _flat(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(flatten(pl.col("messages")).alias("prompt"))


def _frames(batches: Iterator[pa.RecordBatch]) -> Iterator[pl.DataFrame]:
    for batch in batches:
        yield pl.DataFrame(pa.Table.from_batches([batch]))
