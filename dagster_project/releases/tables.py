"""The tables of a release, made from the lake.

Belongs here: running the statements of ``sql/release`` in order, and giving their results the
release's shapes. Does not belong here: writing files (`build`), or counting for the card (`card`).
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl
import pyarrow as pa

from dagster_project.lake import Session
from dagster_project.releases.flat_text import flatten
from dagster_project.releases.shapes import SPREAD, release_shapes, with_attributes
from dagster_project.settings import Rubric

STATEMENTS = {
    "task_fates": "release/task_fates",
    "rated_responses": "release/rated_responses",
    "task_preferences": "release/task_preferences",
    "single_annotations": "release/single_annotations",
    "released_prompts": "release/released_prompts",
    "model_shares": "release/model_shares",
    "exclusions": "release/exclusions",
}
"""Relations of the release, in the order in which they are made from each other."""


def make_relations(session: Session) -> None:
    """Make every relation of the release in a session that has its inputs."""
    for name, statement in STATEMENTS.items():
        session.create(name, statement)


def release_files(session: Session, rubric: Rubric) -> dict[str, pa.Table]:
    """Return the table of every Parquet file of the release, by path."""
    shapes = release_shapes(rubric)
    return {
        path: table
        for name, rows in _frames(session, rubric).items()
        for path, table in shapes[name].files(rows).items()
    }


def _frames(session: Session, rubric: Rubric) -> Mapping[str, pl.DataFrame]:
    rated = _rows(session, "rated_responses").with_columns(flatten(pl.col("messages")).alias("prompt"))
    preferences = _rows(session, "task_preferences").with_columns(flatten(pl.col("messages")).alias("prompt"))
    return {
        "data": with_attributes(with_attributes(rated, "scores", rubric), "spreads", rubric, SPREAD),
        "preference": preferences,
        "annotations": with_attributes(_rows(session, "single_annotations"), "scores", rubric),
        "provenance/models": _rows(session, "model_shares"),
        "provenance/prompts": _rows(session, "released_prompts"),
        "provenance/exclusions": _rows(session, "exclusions"),
        "provenance/tasks": _rows(session, "task_fates"),
    }


def _rows(session: Session, relation: str) -> pl.DataFrame:
    return pl.DataFrame(session.arrow(relation))
