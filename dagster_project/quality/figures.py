"""From counts to figures: each statistic with its interval, beside the same on shuffled ratings, and what lies between.

Intervals are percentiles over bootstrap samples of the 200 buckets into which tasks are hashed: a sample draws 200 of
them with replacement. Figure, shuffled figure and their difference, the lift, are computed in each sample
together, so the lift's interval knows that both rest on the same tasks.
Belongs here: resampling and putting figures side by side. Does not belong here: the formulas (`statistics`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from dagster_project.quality.ballots import BUCKETS
from dagster_project.quality.counts import REAL, STEPS
from dagster_project.quality.products import product
from dagster_project.quality.statistics import (
    OF_FIXED_SLOTS,
    POOLED,
    Array,
    Pairs,
    icc_of_fixed_raters,
    mean_over_slots,
    quotient,
)

PARADOX = 0.2
SKEWED = 0.6
"""There is a warning if AC2 exceeds kappa by more than the one, and one level has more than the other of the scores."""
WARNED = ("quadratic_kappa", "linear_kappa")
INTERVAL = (2.5, 97.5)
"""Percentiles: a 95 % interval."""


@dataclass(frozen=True)
class Resampling:
    """How often each bucket is drawn in each bootstrap sample; row 0 is the data themselves, each bucket once."""

    weights: Array

    @classmethod
    def seeded(cls, samples: int, seed: int, buckets: int = BUCKETS) -> Resampling:
        """Draw samples of the buckets."""
        dice = np.random.Generator(np.random.PCG64(seed))
        drawn = dice.multinomial(buckets, np.full(buckets, 1 / buckets), size=samples)
        return cls(np.vstack([np.ones((1, buckets)), drawn]).astype(float))

    @property
    def buckets(self) -> int:
        """Buckets that are drawn from."""
        return int(self.weights.shape[1])

    def of(self, counts: npt.NDArray[np.int64]) -> Array:
        """Return counts of shape (buckets, …) added up for each sample, shape (1 + samples, …).

        Sums of whole numbers below 2^53 are exact in any order, as floats too.
        """
        flat = counts.reshape(self.buckets, -1).astype(float)
        return product(self.weights, flat).reshape(-1, *counts.shape[1:])


@dataclass(frozen=True)
class Figure:
    """A statistic in the data (first) and in each sample, real, and as the mean over shuffles where it is defined."""

    value: Array
    shuffled: Array | None

    def row(self) -> dict[str, float | None]:
        """Return figure, shuffled figure and lift, each with its interval."""
        lift = None if self.shuffled is None else self.value - self.shuffled
        return {
            **_with_interval("value", "low", "high", self.value),
            **_with_interval("shuffled", "shuffled_low", "shuffled_high", self.shuffled),
            **_with_interval("lift", "lift_low", "lift_high", lift),
        }


def figures_of(
    counts: pl.DataFrame, attributes: list[str], levels: int, resampling: Resampling, *, fixed_slots: bool
) -> pl.DataFrame:
    """Return every statistic of every attribute at every step, and the share of tasks and annotations that is left.

    ``counts`` are those of `counts.count_agreement`, or of several added up. No rows come of no annotations.
    """
    counts = counts.filter(slice="")
    rows: list[dict[str, Any]] = []
    sizes = counts.filter(attribute="*")
    if sizes.filter(quantity="annotations")["count"].sum():
        parts = counts.partition_by("stage", "attribute", as_dict=True)
        for stage in STEPS:
            rows += _retention(sizes, stage, resampling)
            for attribute in attributes:
                chosen = parts.get((stage, attribute), counts.clear())
                rows += [
                    {"stage": stage, "attribute": attribute, **row}
                    for row in _of_attribute(chosen, levels, resampling, fixed_slots)
                ]
    return pl.DataFrame(rows, schema=FIGURES).sort("stage", "attribute", "statistic", "estimator")


def figures_by_slice(
    counts: pl.DataFrame, stages: Sequence[str], attributes: list[str], levels: int, resampling: Resampling
) -> pl.DataFrame:
    """Return every pooled statistic of every attribute at some stages, for each slice, in the shape of `figures_of`.

    ``counts`` are of slices alone; ``resampling`` draws from as many buckets as those have.
    """
    parts = counts.partition_by("slice", "stage", "attribute", as_dict=True) if attributes else {}
    rows = [
        {"slice": name, "stage": stage, "attribute": attribute, **row}
        for name in counts["slice"].unique(maintain_order=True)
        for stage in stages
        for attribute in attributes
        if (of := parts.get((name, stage, attribute))) is not None
        for row in _of_attribute(of, levels, resampling, fixed_slots=False)
    ]
    return pl.DataFrame(rows, schema={"slice": pl.String, **FIGURES}).filter(pl.col("units") > 0)


FIGURES = {
    **dict.fromkeys(["stage", "attribute", "statistic", "estimator"], pl.String),
    **dict.fromkeys(
        ["value", "low", "high", "shuffled", "shuffled_low", "shuffled_high", "lift", "lift_low", "lift_high"],
        pl.Float64,
    ),
    "units": pl.Int64,
    "pairs": pl.Int64,
    "warning": pl.String,
}


def _of_attribute(counts: pl.DataFrame, levels: int, resampling: Resampling, fixed_slots: bool) -> list[dict[str, Any]]:
    pairs = counts.filter(quantity="pairs")
    by_shuffle = {int(n): of for (n,), of in sorted(pairs.partition_by("shuffle", as_dict=True).items())}
    real = by_shuffle.pop(REAL, pairs.clear())
    figures = {
        (name, "pooled"): figure for name, figure in _pooled(real, list(by_shuffle.values()), levels, resampling)
    }
    if fixed_slots:
        figures |= {(name, "fixed_slots"): figure for name, figure in _fixed(counts, levels, resampling)}
    evidence = _evidence(real)
    warning = _paradox(figures, real)
    return [
        {
            "statistic": name,
            "estimator": estimator,
            **figure.row(),
            **evidence,
            "warning": warning if name in WARNED else None,
        }
        for (name, estimator), figure in figures.items()
    ]


def _pooled(
    real: pl.DataFrame, shuffled: list[pl.DataFrame], levels: int, resampling: Resampling
) -> Iterator[tuple[str, Figure]]:
    tables = [_pairs(counts, levels, resampling) for counts in (real, *shuffled)]
    for name, statistic in POOLED.items():
        values = [statistic(table) for table in tables]
        yield name, Figure(values[0], _mean(values[1:]) if shuffled else None)


def _fixed(counts: pl.DataFrame, levels: int, resampling: Resampling) -> Iterator[tuple[str, Figure]]:
    slots = counts.filter(quantity="slots").sort("slots")
    tables = {
        str(name): resampling.of(_table(pairs, levels, resampling.buckets)[:, 2])
        for (name,), pairs in slots.group_by("slots", maintain_order=True)
    }
    undefined = np.full(len(resampling.weights), np.nan)
    for name, statistic in OF_FIXED_SLOTS.items():
        yield name, Figure(mean_over_slots(statistic, list(tables.values())) if tables else undefined, None)
    two = {(one, other): table for name, table in tables.items() for one, _, other in [name.partition("|")]}
    yield "icc", Figure(icc_of_fixed_raters(two) if tables else undefined, None)


def _pairs(counts: pl.DataFrame, levels: int, resampling: Resampling) -> Pairs:
    """Return the pairs of every sample, ordered both ways."""
    table = _table(counts, levels, resampling.buckets)
    raters = tuple(m for m in range(2, table.shape[1]) if table[:, m].any()) or (2,)
    # The lower level is the first of each pair, so that half of a table is enough to resample.
    first, second = np.triu_indices(levels)
    drawn = resampling.of(table[:, raters][..., first, second])
    ordered = np.zeros((*drawn.shape[:-1], levels, levels))
    ordered[..., first, second] += drawn
    ordered[..., second, first] += drawn
    return Pairs(raters, ordered, resampling.of(table[:, 1].diagonal(axis1=-2, axis2=-1)))


def _table(counts: pl.DataFrame, levels: int, buckets: int) -> npt.NDArray[np.int64]:
    """Return counts as an array of shape (buckets, raters, first, second); for two raters at least."""
    places = tuple(counts[name].to_numpy() for name in ("bucket", "raters", "first", "second"))
    table = np.zeros((buckets, int(places[1].max(initial=2)) + 1, levels, levels), np.int64)
    np.add.at(table, places, counts["count"].to_numpy())
    return table


def _retention(counts: pl.DataFrame, stage: str, resampling: Resampling) -> Iterator[dict[str, Any]]:
    """Yield the share of tasks and of annotations that pass a step."""
    for quantity, statistic in (("tasks", "task_retention"), ("annotations", "annotation_retention")):
        sizes = counts.filter(quantity=quantity)
        collected = sizes.filter(stage=STEPS[0], shuffle=REAL)
        whole = resampling.of(_sizes(collected))

        def share(left: pl.DataFrame, whole: Array = whole) -> Array:
            return resampling.of(_sizes(left)) / np.where(whole > 0, whole, np.nan)

        shuffled = [
            share(left)
            for (n,), left in sizes.filter(stage=stage).sort("shuffle").group_by("shuffle", maintain_order=True)
            if n != REAL
        ]
        figure = Figure(share(sizes.filter(stage=stage, shuffle=REAL)), _mean(shuffled) if shuffled else None)
        yield {
            "stage": stage,
            "attribute": "*",
            "statistic": statistic,
            "estimator": "none",
            **figure.row(),
            "units": int(collected["count"].sum()),
            "pairs": None,
            "warning": None,
        }


def _sizes(counts: pl.DataFrame) -> npt.NDArray[np.int64]:
    sizes = np.zeros(BUCKETS, np.int64)
    np.add.at(sizes, counts["bucket"].to_numpy(), counts["count"].to_numpy())
    return sizes


def _evidence(real: pl.DataFrame) -> dict[str, int]:
    """Return the responses that more than one annotator rated, and their pairs of ratings."""
    by_raters = real.filter(pl.col("raters") > 1).group_by("raters").agg(pl.col("count").sum())
    units = sum(count // (m * (m - 1) // 2) for m, count in by_raters.iter_rows())
    return {"units": units, "pairs": int(by_raters["count"].sum())}


def _paradox(figures: dict[tuple[str, str], Figure], real: pl.DataFrame) -> str | None:
    """Return a warning where scores are skewed and AC2 parts from kappa.

    Where nearly all scores are alike, chance agreement as kappa reckons it is near the agreement observed, and kappa is
    low though raters agree (Feinstein and Cicchetti 1990, Journal of Clinical Epidemiology 43).
    """
    kappa, ac2 = (float(figures[name, "pooled"].value[0]) for name in ("quadratic_kappa", "gwet_ac2"))
    pairs = real.filter(pl.col("raters") > 1)
    given = pl.concat([pairs.select(pl.col(name).alias("level"), "count") for name in ("first", "second")])
    most = given.group_by("level").agg(pl.col("count").sum())["count"].max()
    share = float(most) / max(int(given["count"].sum()), 1) if isinstance(most, int) else 0.0
    if ac2 - kappa > PARADOX and share > SKEWED:
        return f"kappa paradox: {share:.0%} of the scores are one level, and AC2 is {ac2:.3f}"
    return None


def _mean(values: list[Array]) -> Array:
    """Return the mean of each place over those values that are defined there."""
    stacked = np.stack(values)
    defined = ~np.isnan(stacked)
    return quotient(np.where(defined, stacked, 0).sum(axis=0), defined.sum(axis=0).astype(float))


def _with_interval(name: str, low: str, high: str, values: Array | None) -> dict[str, float | None]:
    if values is None or np.isnan(values[0]):
        return dict.fromkeys((name, low, high))
    samples = values[1:][~np.isnan(values[1:])]
    limits = np.percentile(samples, INTERVAL) if len(samples) else (None, None)
    return {name: float(values[0]), low: _plain(limits[0]), high: _plain(limits[1])}


def _plain(value: Any) -> float | None:
    return None if value is None else float(value)
