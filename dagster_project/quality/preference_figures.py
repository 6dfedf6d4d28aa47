"""How well annotators agree on which of two responses is better, and whether they say what they rate.

Belongs here: figures of preferences at each stage. Does not belong here: which preference is published
(`sql/quality/preferences.sql`), and who is set aside for a position bias (`annotator_quality`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from dagster_project.lake import Lake, Session
from dagster_project.quality.aggregation import RatingsOf
from dagster_project.quality.pairs import pairs_of
from dagster_project.quality.statistics import quadratic_kappa
from dagster_project.settings import Settings
from dagster_project.vendors import frozen_rubric

LOWEST, LEVELS = -3, 7


@dataclass(frozen=True)
class PreferenceFigures:
    """Of the preferences of one stage; a figure without evidence is null.

    Attributes:
        preferences: annotators' preferences.
        quadratic_kappa: of all pairs of annotators of a task, on the scale from -3 to 3.
        same_side: share of pairs of annotators of a task who prefer the same response.
        consistent: share of preferences for the response that the same annotator rates higher in the deciding
            attributes, of those who rate one higher.
        first_preferred: share of preferences for the response that was shown first, with its 95 % interval (`wilson`);
            without a position bias, near a half.
    """

    stage: str
    preferences: int
    quadratic_kappa: float | None
    same_side: float | None
    consistent: float | None
    first_preferred: float | None
    first_low: float | None
    first_high: float | None


def preference_figures(lake: Lake, settings: Settings, campaign: str) -> list[PreferenceFigures]:
    """Return the figures of preferences as collected, of trusted annotators, and of those retained."""
    with Session() as session:
        session.table(lake, "retained_annotations", {"campaign": campaign})
        session.frame("rubric", pl.DataFrame(frozen_rubric(lake, settings, campaign).rows()))
        stated = session.query("quality/stated_preferences")
    stages = {"collected": stated, "trusted": stated.filter("trusted"), "retained": stated.filter("retained")}
    return [_figures(stage, of) for stage, of in stages.items() if of.height]


def _figures(stage: str, stated: pl.DataFrame) -> PreferenceFigures:
    strength = stated["strength"].to_numpy()
    kappa, same_side = _pairs(stated, strength)
    differs = stated.filter(pl.col("difference").fill_null(0) != 0)
    agrees = differs.select((pl.col("difference").sign() == pl.col("strength").sign()).mean()).item()
    first = float((strength < 0).mean())
    return PreferenceFigures(stage, stated.height, kappa, same_side, agrees, first, *wilson(first, stated.height))


def wilson(share: float, n: int) -> tuple[float, float]:
    """Return the 95 % interval of a share of n; Wilson 1927, Journal of the American Statistical Association 22."""
    z = 1.959963984540054
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    reach = z / (1 + z * z / n) * (share * (1 - share) / n + z * z / (4 * n * n)) ** 0.5
    return middle - reach, middle + reach


def _pairs(stated: pl.DataFrame, strength: np.ndarray[tuple[int], np.dtype[np.int64]]) -> tuple[float | None, ...]:
    tasks = stated["task_id"].rle_id().cast(pl.Int64).to_numpy()
    pairs = pairs_of(RatingsOf(tasks, np.zeros_like(tasks), strength - LOWEST, LEVELS))
    together = pairs.together
    if not together.sum():
        return None, None
    zero = -LOWEST
    one_side = together[:zero, :zero].sum() + together[zero + 1 :, zero + 1 :].sum()
    kappa = float(quadratic_kappa(pairs))
    return None if np.isnan(kappa) else kappa, float(one_side / together.sum())
