"""The other ways to one rating, beside the consensus: which are configured, on all trusted ratings, and compared.

Belongs here: running the models on a campaign and showing how far they are from what is published. Does not belong
here: the models (`aggregation`), and the consensus itself.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl

from dagster_project.lake import Lake, Session
from dagster_project.quality.aggregation import (
    Array,
    RatingsOf,
    annotator_model,
    dawid_skene,
    mean_rating,
    median_rating,
    soft_labels,
)
from dagster_project.settings import Rubric, Settings
from dagster_project.settings.agreement import Aggregation
from dagster_project.vendors import frozen_rubric

METHODS: dict[Aggregation, Callable[[RatingsOf], Array]] = {
    "mean": mean_rating,
    "median": median_rating,
    "dawid_skene": lambda ratings: dawid_skene(ratings).argmax(axis=1).astype(float),
    "annotator_model": lambda ratings: annotator_model(ratings).levels,
}
"""Each gives levels of items, from 0."""


def aggregate(session: Session, rubric: Rubric, methods: tuple[Aggregation, ...]) -> pl.DataFrame:
    """Return soft labels and the configured aggregations of each response and attribute.

    ``retained_annotations`` and ``rubric`` are in the session; the ratings of all trusted annotators count.
    """
    scores = session.query("quality/trusted_scores")
    parts = [_aggregated(of, rubric, methods) for of in scores.partition_by("attribute", maintain_order=True)]
    return pl.concat([pl.DataFrame(schema=COLUMNS), *parts]).sort("task_id", "response_id", "attribute")


def show_aggregations(lake: Lake, settings: Settings, campaign: str) -> dict[str, str]:
    """Return how far each configured aggregation is from the consensus, as Markdown by name."""
    with Session() as session:
        for table in ("aggregations", "consensus"):
            session.table(lake, table, {"campaign": campaign})
        session.frame("rubric", pl.DataFrame(frozen_rubric(lake, settings, campaign).rows()))
        rows = session.query("quality/aggregations_compared")
    if rows.is_empty():
        return {}
    lines = [
        "| aggregation | attribute | responses | same level | mean distance |",
        "| --- | --- | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {method} | {attribute} | {responses} | {same:.1%} | {apart:.3f} |"
        for method, attribute, responses, same, apart in rows.iter_rows()
    ]
    return {"other aggregations, beside the consensus": "\n".join(lines)}


COLUMNS: dict[str, pl.DataType | type[pl.DataType]] = {
    "task_id": pl.String,
    "response_id": pl.String,
    "attribute": pl.String,
    "ratings": pl.Int64,
    "distribution": pl.List(pl.Float64),
    "entropy": pl.Float64,
    **dict.fromkeys(METHODS, pl.Float64),
}


def _aggregated(scores: pl.DataFrame, rubric: Rubric, methods: tuple[Aggregation, ...]) -> pl.DataFrame:
    """Return the aggregations of one attribute; rows of a response are neighbours."""
    items = scores.select(pl.struct("task_id", "response_id").rle_id().cast(pl.Int64)).to_series().to_numpy()
    annotators = scores["annotator"].rank("dense").cast(pl.Int64).to_numpy() - 1
    lowest, levels = rubric.scale.lowest, rubric.scale.highest - rubric.scale.lowest + 1
    ratings = RatingsOf(items, annotators, scores["step"].to_numpy(), levels)
    shares, entropy = soft_labels(ratings)
    found = {name: METHODS[name](ratings) + lowest if name in methods else None for name in METHODS}
    first = scores[np.flatnonzero(np.diff(items, prepend=-1))].select("task_id", "response_id", "attribute")
    return first.with_columns(
        pl.Series("ratings", ratings.raters.astype(np.int64)),
        pl.Series("distribution", shares.tolist(), dtype=pl.List(pl.Float64)),
        pl.Series("entropy", entropy),
        *(pl.lit(None, pl.Float64).alias(name) if of is None else pl.Series(name, of) for name, of in found.items()),
    ).cast(COLUMNS)  # type: ignore[arg-type]
