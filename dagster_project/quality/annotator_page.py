"""A page for whoever manages a vendor: each annotator's figures as plots, by pseudonym.

Belongs here: drawing `annotator_quality`. Does not belong here: any figure of its own. The page is one file that loads
nothing, so that it can be sent and opened anywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import polars as pl

from dagster_project.settings import TrustRules

WIDTH, ROW, LABEL, MARGIN = 760, 18, 190, 60
STYLE = (
    "body{font:14px sans-serif;max-width:800px;margin:2em auto;color:#222}svg{display:block}"
    "text{font:11px sans-serif;fill:#444}.good{fill:#2b6cb0}.bad{fill:#c53030}line{stroke:#ccc}.rule{stroke:#c53030;"
    "stroke-dasharray:4 3}.interval{stroke:#2b6cb0;stroke-width:2}"
)


@dataclass(frozen=True)
class Plot:
    """One figure of all annotators; ``limits`` are where rules draw the line, ``ends`` the columns of its interval."""

    column: str
    title: str
    limits: Sequence[float | None] = ()
    ends: tuple[str, str] | None = None


def annotator_page(campaign: str, records: pl.DataFrame, rules: TrustRules) -> str:
    """Return the page of a campaign's `annotator_quality` as HTML."""
    rows = records.sort("tasks", "annotator", descending=[True, False]).to_dicts()
    untrusted = [row for row in rows if not row["trusted"]]
    exclusions = "".join(
        f"<li><code>{row['annotator']}</code>: {escape(row['rule'])}, {row['figure']:.2f} beside {row['threshold']:.2f}"
        + (f", as <code>{row['identical_with']}</code>" if row["rule"] == "identical" else "")
        + "</li>"
        for row in untrusted
    )
    drawn = "".join(_drawn(plot, rows) for plot in _plots(rules))
    return (
        f"<!doctype html><html lang='en'><meta charset='utf-8'><title>Annotators of {escape(campaign)}</title>"
        f"<style>{STYLE}</style><h1>Annotators of {escape(campaign)}</h1>"
        f"<p>{len(rows)} annotators, {len(untrusted)} not trusted (red). Dashed: where a rule draws the line.</p>"
        f"<ul>{exclusions}</ul>{drawn}</html>\n"
    )


def _plots(rules: TrustRules) -> list[Plot]:
    bias = rules.max_bias
    position = rules.max_position_bias
    around_half = [None, None] if position is None else [(1 - position) / 2, (1 + position) / 2]
    return [
        Plot("tasks", "Tasks rated", [rules.min_tasks]),
        Plot("seconds_per_task", "Seconds for a task, median", [rules.min_seconds]),
        Plot("deviation", "Distance from the others' mean", [rules.max_deviation]),
        Plot("bias", "Bias: above or below the others", [bias, None if bias is None else -bias]),
        Plot("agreement", "Same number as the others, with its interval", [rules.min_agreement], _INTERVAL),
        Plot("straight_lining", "Tasks rated with one number", [rules.max_straight_lining]),
        Plot("gold_accuracy", "Gold ratings as expected", [rules.min_gold_accuracy]),
        Plot("self_consistency", "Ratings of repeated tasks as before", [rules.min_self_consistency]),
        Plot("first_preferred", "Preferred what was shown first", around_half),
        Plot("identical", "Tasks rated as one other", [rules.max_identical]),
    ]


_INTERVAL = ("agreement_low", "agreement_high")


def _drawn(plot: Plot, rows: list[dict[str, Any]]) -> str:
    """Return a plot as SVG: one line an annotator; nothing if nobody has the figure."""
    known = [row for row in rows if row[plot.column] is not None]
    if not known:
        return ""
    limits = [limit for limit in plot.limits if limit is not None]
    names = (plot.column, *(plot.ends or ()))
    values = [float(row[name]) for row in known for name in names if row[name] is not None] + limits
    lowest, highest = min(0.0, *values), max(1e-9, *values)

    def x(value: float) -> float:
        return round(LABEL + (value - lowest) / (highest - lowest) * (WIDTH - LABEL - MARGIN), 1)

    height = ROW * len(known) + 4
    parts = [f"<line x1='{x(0)}' x2='{x(0)}' y1='0' y2='{height}'/>"]
    for place, row in enumerate(known):
        y = ROW * place + ROW // 2 + 2
        parts.append(f"<text x='0' y='{y + 4}'>{escape(row['annotator'])}</text>")
        if plot.ends and row[plot.ends[0]] is not None:
            low, high = (x(row[name]) for name in plot.ends)
            parts.append(f"<line class='interval' x1='{low}' x2='{high}' y1='{y}' y2='{y}'/>")
        kind = "good" if row["trusted"] else "bad"
        parts.append(f"<circle class='{kind}' cx='{x(row[plot.column])}' cy='{y}' r='5'/>")
        parts.append(f"<text x='{WIDTH - MARGIN + 12}' y='{y + 4}'>{row[plot.column]:.4g}</text>")
    parts += [f"<line class='rule' x1='{x(limit)}' x2='{x(limit)}' y1='0' y2='{height}'/>" for limit in limits]
    return f"<h2>{escape(plot.title)}</h2><svg width='{WIDTH}' height='{height}'>{''.join(parts)}</svg>"
