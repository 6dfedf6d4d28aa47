"""Figures of agreement apart: by campaign, vendor, model or prompt topic, of one campaign or of many together.

All of it comes from counts that add up; no rating is read again.
Belongs here: which responses make a slice, and whose counts are added. Does not belong here: counting, figures.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import polars as pl

from dagster_project.lake import Lake, Session
from dagster_project.quality.ballots import BUCKETS, Ballots
from dagster_project.quality.counts import Slicing, added
from dagster_project.quality.figures import Resampling, figures_by_slice
from dagster_project.settings import Settings
from dagster_project.vendors import frozen_rubric

Dimension = Literal["campaign", "vendor", "model", "topic"]
SLICE_BUCKETS = 20
"""Buckets within a slice, whose counts would else be more than the ratings."""
SAMPLES = 400
MOST_SLICES = 50
"""Slices that have figures; those of the most annotations."""
STAGES = ("collected", "retained")


def slicings(session: Session, ballots: Ballots) -> list[Slicing]:
    """Return responses by model and by topic, from ``annotation_tasks``, ``prompt_topics`` and ``topics``."""
    rows = session.query("quality/response_slices").filter(pl.col("position") <= len(ballots.present))
    return [_slicing(rows, ballots, dimension) for dimension in ("model", "topic")]


def figures_by(lake: Lake, settings: Settings, campaigns: list[str], dimension: Dimension) -> pl.DataFrame:
    """Return figures of campaigns for each slice, with a column ``slice``; of the largest `MOST_SLICES` of them.

    Campaigns must share attributes and scale. Shuffles that all of them have count.
    """
    counts = {campaign: lake.read("agreement_counts", {"campaign": campaign}) for campaign in campaigns}
    counts = {campaign: found for campaign, found in counts.items() if not found.is_empty()}
    if not counts:
        return figures_by_slice(pl.DataFrame(schema={"slice": pl.String}), STAGES, [], 1, Resampling.seeded(0, 0))
    shuffles = min(int(found["shuffle"].max() or 0) for found in counts.values())  # type: ignore[arg-type]
    parts = [
        _part(settings, campaign, dimension, found.drop("campaign").filter(pl.col("shuffle") <= shuffles))
        for campaign, found in counts.items()
    ]
    together = _largest(added(parts))
    rubric = frozen_rubric(lake, settings, campaigns[0])
    levels = rubric.scale.highest - rubric.scale.lowest + 1
    buckets = SLICE_BUCKETS if dimension in ("model", "topic") else BUCKETS
    resampling = Resampling.seeded(SAMPLES, settings.policy_of(campaigns[0]).seed, buckets)
    return figures_by_slice(together, STAGES, rubric.names, levels, resampling)


def _slicing(rows: pl.DataFrame, ballots: Ballots, dimension: str) -> Slicing:
    names = sorted(rows[dimension].unique())
    number = rows[dimension].replace_strict(dict(zip(names, range(len(names)), strict=True)), return_dtype=pl.Int64)
    by_task = np.zeros((len(ballots.present), len(ballots.task_keys)), np.int64)
    by_task[rows["position"].to_numpy() - 1, rows["task"].to_numpy()] = number.to_numpy()
    return Slicing(tuple(f"{dimension}={name}" for name in names), by_task, SLICE_BUCKETS)


def _part(settings: Settings, campaign: str, dimension: Dimension, counts: pl.DataFrame) -> pl.DataFrame:
    """Return a campaign's counts with the slices of a dimension by their plain names."""
    if dimension in ("model", "topic"):
        prefix = f"{dimension}="
        return counts.filter(pl.col("slice").str.starts_with(prefix)).with_columns(
            pl.col("slice").str.strip_prefix(prefix)
        )
    name = campaign if dimension == "campaign" else settings.campaign(campaign).vendor
    return counts.filter(slice="").with_columns(slice=pl.lit(name))


def _largest(counts: pl.DataFrame) -> pl.DataFrame:
    sizes = counts.filter(quantity="annotations", stage="collected").group_by("slice").agg(pl.col("count").sum())
    largest = sizes.sort("count", "slice", descending=[True, False]).head(MOST_SLICES).select("slice")
    return largest.join(counts, on="slice", how="left", maintain_order="left")
