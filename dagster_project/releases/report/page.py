"""The page: every figure gathered, every plot drawn, put into ``report.html.jinja``.

Belongs here: which plots there are, and in which order. Does not belong here: how they are drawn (`plots`).
"""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import Any

from dagster_project.lake import Session
from dagster_project.releases.report import plots
from dagster_project.settings import ReleaseSpec, Rubric

REPORT = "report.html"
TEMPLATE = Path(__file__).with_name("report.html.jinja")
PROMPT_STEPS_OF_INTAKE = 3


def report_page(session: Session, version: str, spec: ReleaseSpec, rubric: Rubric, simulated: bool) -> str:
    """Return the text of report.html; the session has the release's relations."""
    from jinja2 import Environment, StrictUndefined  # noqa: PLC0415 - only a build needs it

    environment = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=True)
    environment.filters["count"] = lambda value: f"{value:,}"
    totals = session.query("release/split_counts").drop("split").sum().to_dicts()[0]
    shares = session.query("release_report/rating_shares").to_dicts()
    wins = session.query("release_report/win_rates").to_dicts()
    lengths = session.query("release_report/response_lengths").to_dicts()
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        version=version,
        spec=spec,
        rubric=rubric,
        simulated=simulated,
        totals=totals,
        models=len(lengths),
        annotators=session.query("release/vendor_counts")["annotators"].sum(),
        distributions=plots.rating_distributions(shares, rubric),
        by_preference=bool(totals["preferences"]),
        win_rates=plots.overall_win_rates(wins) if wins else None,
        win_matrix=plots.win_matrix(wins) if wins else None,
        lengths=plots.lengths(lengths),
        rating_by_length=plots.rating_by_length(session.query("release_report/rating_by_length").to_dicts(), rubric),
        correlations=plots.correlations(session.query("release_report/correlations").to_dicts()),
        agreement=_agreement(session),
        funnel=plots.funnel(_steps(session)),
        exclusions=session.query("release/exclusion_counts").to_dicts(),
    )


def _agreement(session: Session) -> list[tuple[str, str]]:
    """Return a title and a drawing for each campaign, statistic and estimator that has figures after the filter."""
    rows = [row for row in session.query("release/agreement_table").to_dicts() if row["retained"] is not None]
    rows = [row for row in rows if row["attribute"] != "*"]

    def title(row: dict[str, Any]) -> str:
        estimator = "" if row["estimator"] == "none" else f", {row['estimator'].replace('_', ' ')}"
        return f"{row['statistic'].replace('_', ' ').capitalize()}{estimator}, campaign {row['campaign']}"

    return [(name, plots.agreement(list(own))) for name, own in groupby(rows, key=title)]


def _steps(session: Session) -> list[dict[str, Any]]:
    """Return the steps of the funnel; without those of intake where prompts came in with their responses."""
    rows = session.query("release_report/funnel").to_dicts()
    selected, shown = rows[PROMPT_STEPS_OF_INTAKE - 1]["number"], rows[PROMPT_STEPS_OF_INTAKE]["number"]
    return rows if selected >= shown else rows[PROMPT_STEPS_OF_INTAKE:]
