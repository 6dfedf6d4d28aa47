"""What the `agreement` asset shows of a campaign in the Dagster UI: tables and plots as Markdown, by name.

All of it comes from the tables `agreement` and `agreement_counts`; no rating is read again.
Belongs here: what is shown. Does not belong here: drawing (`plots`), and figures of its own (`figures`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from dagster_project.curation.plots import as_markdown
from dagster_project.lake import Lake
from dagster_project.quality.counts import REAL, STEPS
from dagster_project.quality.plots import Point, figures_plot, funnel, heat_map, stacked_bars
from dagster_project.quality.preference_figures import PreferenceFigures, preference_figures
from dagster_project.settings import Settings
from dagster_project.vendors import frozen_rubric

Shares = npt.NDArray[np.float64]


def show_agreement(lake: Lake, settings: Settings, campaign: str) -> dict[str, str]:
    """Return tables and plots of a campaign's agreement; nothing if it has no figures."""
    figures = lake.read("agreement", {"campaign": campaign})
    if figures.is_empty():
        return {}
    counts = lake.read("agreement_counts", {"campaign": campaign}).filter(shuffle=REAL, slice="", quantity="pairs")
    rubric = frozen_rubric(lake, settings, campaign)
    scale = range(rubric.scale.lowest, rubric.scale.highest + 1)
    return {
        "kappa by stage": kappa_table(figures, rubric.names),
        "kappa, plotted": as_markdown("kappa by stage", _kappa_plot(figures, rubric.names)),
        "preferences": preference_table(preference_figures(lake, settings, campaign)),
        "disagreement": _disagreement(counts, rubric.names, scale),
        "ratings by number of annotators": _distributions(counts, rubric.names, scale),
        "retention": as_markdown("retention", _retention(figures)),
        "trend over campaigns": trend(lake.read("agreement"), rubric.names),
    }


def kappa_table(figures: pl.DataFrame, attributes: Sequence[str]) -> str:
    """Return quadratic kappa of each attribute at each stage, after selection with its shuffled figure in brackets."""
    rows = {
        (row["attribute"], row["stage"]): row
        for row in figures.filter(statistic="quadratic_kappa", estimator="pooled").to_dicts()
    }
    lines = [f"| attribute | {' | '.join(STEPS)} | lift over chance selection |", "| --- |" + " ---: |" * 5]
    for attribute in attributes:
        cells = [_beside(rows[attribute, stage]) for stage in STEPS]
        last = rows[attribute, STEPS[-1]]
        lift = f"**{_figure(last['lift'])}** ({_figure(last['lift_low'])} to {_figure(last['lift_high'])})"
        lines.append(f"| {attribute} | {' | '.join(cells)} | {lift} |")
    warnings = [f"- {attribute}: {rows[attribute, 'collected']['warning']}" for attribute in attributes]
    told = [warning for warning in warnings if not warning.endswith("None")]
    return "\n".join([*lines, "", "In brackets: the same figure on shuffled ratings.", *told])


def preference_table(stages: Sequence[PreferenceFigures]) -> str:
    """Return the agreement of preferences, their consistency with ratings, and the position bias, by stage."""
    if not stages:
        return "No preferences were given."
    lines = [
        "| stage | preferences | kappa | same side | as rated | first shown preferred |",
        "| --- |" + " ---: |" * 5,
    ]
    for of in stages:
        first = f"{_figure(of.first_preferred)} ({_figure(of.first_low)} to {_figure(of.first_high)})"
        figures = (of.quadratic_kappa, of.same_side, of.consistent)
        lines.append(f"| {of.stage} | {of.preferences} | {' | '.join(map(_figure, figures))} | {first} |")
    return "\n".join(lines)


def trend(figures: pl.DataFrame, attributes: Sequence[str]) -> str:
    """Return retained kappa and its lift in every campaign that has figures."""
    kappas = figures.filter(statistic="quadratic_kappa", estimator="pooled", stage="retained")
    campaigns = sorted(kappas["campaign"].unique())
    by = {(row["campaign"], row["attribute"]): row for row in kappas.to_dicts()}
    lines = [f"| campaign | {' | '.join(attributes)} |", "| --- |" + " ---: |" * len(attributes)]
    for campaign in campaigns:
        cells = [by.get((campaign, attribute)) for attribute in attributes]
        told = [f"{_figure(row['value'])}, lift {_figure(row['lift'])}" if row else "–" for row in cells]
        lines.append(f"| {campaign} | {' | '.join(told)} |")
    groups = [
        (attribute, [_point(by.get((campaign, attribute), {})) for campaign in campaigns]) for attribute in attributes
    ]
    return "\n".join([*lines, "", as_markdown("trend", figures_plot("Retained kappa", campaigns, groups))])


def _kappa_plot(figures: pl.DataFrame, attributes: Sequence[str]) -> str:
    kappas = figures.filter(statistic="quadratic_kappa", estimator="pooled").to_dicts()
    by = {(row["attribute"], row["stage"]): row for row in kappas}
    groups = [(attribute, [_point(by[attribute, stage]) for stage in STEPS]) for attribute in attributes]
    return figures_plot("Quadratic kappa with its 95 % interval; hollow: on shuffled ratings", STEPS, groups)


def _disagreement(counts: pl.DataFrame, attributes: Sequence[str], scale: range) -> str:
    """Return, for each attribute, how often two annotators gave which scores to one response as it was collected."""
    names = [str(level) for level in scale]
    maps = []
    for attribute in attributes:
        of = counts.filter(pl.col("raters") > 1, stage="collected", attribute=attribute)
        pairs = np.zeros((len(scale), len(scale)))
        np.add.at(pairs, (of["first"].to_numpy(), of["second"].to_numpy()), of["count"].to_numpy())
        both_ways = pairs + pairs.T
        shares = both_ways / max(both_ways.sum(), 1)
        maps.append(as_markdown(f"disagreement on {attribute}", heat_map(attribute, names, shares.tolist())))
    return "Shares of all pairs of ratings of one response, as collected.\n\n" + " ".join(maps)


def _distributions(counts: pl.DataFrame, attributes: Sequence[str], scale: range) -> str:
    """Return, for each attribute, the shares of scores apart for each number of annotators of the response."""
    names = [str(level) for level in scale]
    plots = []
    for attribute in attributes:
        of = counts.filter(stage="collected", attribute=attribute)
        bars = [
            (f"{raters} annotators" if raters > 1 else "1 annotator", _scores(of.filter(raters=raters), scale).tolist())
            for raters in sorted(of["raters"].unique())
        ]
        plots.append(as_markdown(f"scores of {attribute}", stacked_bars(attribute, names, bars)))
    return "Shares of scores, as collected, by how many annotators rated the response.\n\n" + "\n\n".join(plots)


def _scores(counts: pl.DataFrame, scale: range) -> Shares:
    """Return shares of scores. Each rating of m stands in m - 1 pairs, which does not change shares for one m."""
    scores = np.zeros(len(scale))
    for end in ("first", "second"):
        np.add.at(scores, counts[end].to_numpy(), counts["count"].to_numpy())
    return np.asarray(scores / max(scores.sum(), 1))


def _retention(figures: pl.DataFrame) -> str:
    rows = {(row["statistic"], row["stage"]): row for row in figures.filter(attribute="*").to_dicts()}
    bars = [
        (f"{what}, {stage}", rows[f"{one}_retention", stage]["value"], rows[f"{one}_retention", stage]["shuffled"])
        for what, one in (("tasks", "task"), ("annotations", "annotation"))
        for stage in STEPS
    ]
    return funnel("What is left at each stage", [(name, value or 0.0, shuffled) for name, value, shuffled in bars])


def _point(row: dict[str, Any]) -> Point:
    return Point(*(row.get(name) for name in ("value", "low", "high", "shuffled")))


def _beside(row: dict[str, Any]) -> str:
    shuffled = "" if row["shuffled"] is None else f" ({_figure(row['shuffled'])})"
    return _figure(row["value"]) + shuffled


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
