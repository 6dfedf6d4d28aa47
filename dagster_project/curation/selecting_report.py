"""What selection did to a batch: a table and plots of topics, complexity, length, turns and sources before and after.

Belongs here: the figures and their Markdown, which the asset shows. Does not belong here: drawing (`plots`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from dagster_project.curation.complexity import ComplexityReport
from dagster_project.curation.complexity_report import judge_and_rule
from dagster_project.curation.plots import Bar, as_markdown, bar_chart
from dagster_project.curation.selecting import SelectionReport
from dagster_project.curation.topics import TopicsReport
from dagster_project.curation.topics_map import topic_map, topics_in_words
from dagster_project.lake import Lake, Session
from dagster_project.settings import CurationFile

DIMENSIONS = ("topic", "complexity", "length", "turns", "source")
MOST_ROWS = 40


@dataclass(frozen=True)
class SelectionRun:
    """What one run of the selection found and did."""

    topics: TopicsReport
    complexity: ComplexityReport
    selection: SelectionReport


class Row(NamedTuple):
    """How many prompts have a value before and after selection."""

    label: str
    kept: int
    selected: int


def show_selection(lake: Lake, curation: CurationFile, batch: str) -> dict[str, str]:
    """Return what the asset shows of a batch, as Markdown by name."""
    profile = selection_profile(lake, batch)
    return {
        "before and after": selection_in_words(profile),
        "complexity: judge and rule": judge_and_rule(lake, batch),
        "plots": selection_in_plots(profile),
        "topics": topics_in_words(lake, batch),
        "map of topics": as_markdown("map of topics", topic_map(lake, curation, batch)),
    }


def selection_profile(lake: Lake, batch: str) -> dict[str, list[Row]]:
    """Return for each dimension its values in order; topics and sources by their number before, the largest first."""
    with Session() as session:
        session.table(lake, "selected_prompts", {"prompt_batch": batch})
        session.table(lake, "topics")
        rows = session.query("prompts/selection_profile").rows()
    profile: dict[str, list[Row]] = {dimension: [] for dimension in DIMENSIONS}
    for dimension, _, label, kept, selected in rows:
        profile[dimension].append(Row(label or "unknown", kept, selected))
    for dimension in ("topic", "source"):
        profile[dimension].sort(key=lambda row: (-row.kept, row.label))
    return profile


def selection_in_words(profile: dict[str, list[Row]]) -> str:
    """Return Markdown: a line on evenness and a table for each dimension."""
    return "\n\n".join(_section(dimension, rows) for dimension, rows in profile.items() if rows)


def selection_in_plots(profile: dict[str, list[Row]]) -> str:
    """Return Markdown with a chart for each dimension: shares before and after."""
    charts = []
    for dimension, rows in profile.items():
        kept, selected = _totals(rows)
        bars = [
            Bar(row.label, row.kept / kept, row.selected / selected) for row in rows[:MOST_ROWS] if kept and selected
        ]
        if bars:
            charts.append(as_markdown(f"{dimension} before and after", bar_chart(_title(dimension, rows), bars)))
    return "\n\n".join(charts)


def evenness(counts: Sequence[int]) -> float:
    """Return the entropy of counts as a share of the most it could be: 1 if all are equal, 0 if one has everything."""
    total = sum(counts)
    if total == 0 or len(counts) < 2:
        return 1.0
    entropy = -sum(count / total * math.log(count / total) for count in counts if count)
    return entropy / math.log(len(counts))


def _section(dimension: str, rows: Sequence[Row]) -> str:
    kept, selected = _totals(rows)
    lines = [f"**{_title(dimension, rows)}**", "", f"| {dimension} | before | share | after | share |"]
    lines.append("| --- | ---: | ---: | ---: | ---: |")
    for row in rows[:MOST_ROWS]:
        before, after = _share(row.kept, kept), _share(row.selected, selected)
        lines.append(f"| {_cell(row.label)} | {row.kept} | {before} | {row.selected} | {after} |")
    if len(rows) > MOST_ROWS:
        rest = rows[MOST_ROWS:]
        lines.append(f"| {len(rest)} more | {_totals(rest)[0]} | | {_totals(rest)[1]} | |")
    return "\n".join(lines)


def _title(dimension: str, rows: Sequence[Row]) -> str:
    before, after = (evenness([getattr(row, name) for row in rows]) for name in ("kept", "selected"))
    reached = sum(row.selected > 0 for row in rows)
    return f"{dimension}: {reached} of {len(rows)} reached, evenness {before:.2f} before, {after:.2f} after"


def _totals(rows: Sequence[Row]) -> tuple[int, int]:
    return sum(row.kept for row in rows), sum(row.selected for row in rows)


def _share(count: int, total: int) -> str:
    return f"{count / total:.1%}" if total else "–"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
