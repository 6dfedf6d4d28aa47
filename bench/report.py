"""What the benchmark says: a table in the terminal while it goes on, Markdown, and JSON.

Belongs here: columns and words. Does not belong here: what the figures mean (`figures`).
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.figures import Figures, Row

ABSENT = "–"
SHOWN = frozenset({"wall", "cpu", "rss", "429s", "re-sent", "lost", "stale"})
"""Figures with a column of their own; the others of a row stand in a line beneath it."""


@dataclass(frozen=True)
class Column:
    """A column of the table: its heading, its width, and its text for a row."""

    heading: str
    width: int
    text: Callable[[Row], str]

    def cell(self, text: str) -> str:
        """Return a text at the column's width; the outer columns are flush left."""
        return f"{text:<{-self.width}}" if self.width < 0 else f"{text:>{self.width}}"


class Report:
    """The table; rows are added as they are found."""

    def __init__(self, scale: float) -> None:
        self.rows: list[Row] = []
        self._scale = scale
        self._columns = [
            Column("case", -26, lambda row: row.case),
            *(_seconds("wall s", "wall"), _seconds("cpu s", "cpu")),
            Column("MB", 6, lambda row: _number(row.ours.get("rss"), ".0f")),
            *(_seconds("bare s", "wall", "bare"), _seconds("cpu s", "cpu", "bare")),
            Column("ratio", 6, lambda row: _number(ratio(row), ".2f")),
            *(_count(name) for name in ("429s", "re-sent", "lost", "stale")),
            Column("target", -38, lambda row: ", ".join(map(str, row.limits)) or ABSENT),
            Column("reached", -7, self._verdict),
        ]

    def begin(self) -> None:
        """Print the headings."""
        print("  ".join(column.cell(column.heading) for column in self._columns), flush=True)

    def add(self, row: Row) -> None:
        """Print a row, with what it has to say beyond the columns."""
        self.rows.append(row)
        print("  ".join(column.cell(column.text(row)) for column in self._columns).rstrip(), flush=True)
        for line in _beneath(row):
            print(f"    {line}", flush=True)

    def write_json(self, path: Path, options: dict[str, Any]) -> None:
        """Write all figures."""
        told = {
            "machine": {"cores": os.cpu_count(), "python": platform.python_version(), "system": platform.platform()},
            "options": options,
            "rows": [self._as_json(row) for row in self.rows],
        }
        path.write_text(json.dumps(told, indent=1) + "\n")

    def write_markdown(self, path: Path) -> None:
        """Write the table, and beneath it what the rows have to say beyond the columns."""
        headings = [column.heading for column in self._columns]
        lines = [headings, ["---"] * len(headings), *([c.text(row) for c in self._columns] for row in self.rows)]
        table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
        notes = "\n".join(f"- {row.case}: {line}" for row in self.rows for line in _beneath(row))
        path.write_text(f"{table}\n\n{notes}\n")

    def _verdict(self, row: Row) -> str:
        return {True: "yes", False: "no", None: ABSENT}[row.reached(self._scale)]

    def _as_json(self, row: Row) -> dict[str, Any]:
        return {
            "case": row.case,
            "ours": _rounded(row.ours),
            "others": {name: _rounded(figures) for name, figures in row.others.items()},
            "ratio": ratio(row),
            "target": [str(limit) for limit in row.limits],
            "reached": row.reached(self._scale),
            "problem": row.problem,
        }


def ratio(row: Row) -> float | None:
    """Return how often as long as the bare client it took."""
    bare = row.others.get("bare")
    return row.ours["wall"] / bare["wall"] if bare else None


def _seconds(heading: str, figure: str, client: str | None = None) -> Column:
    def text(row: Row) -> str:
        figures = row.others.get(client, {}) if client else row.ours
        return _number(figures.get(figure), ".2f")

    return Column(heading, 7, text)


def _count(figure: str) -> Column:
    return Column(figure, max(5, len(figure)), lambda row: _number(row.ours.get(figure), ".0f"))


def _beneath(row: Row) -> list[str]:
    """Return the lines under a row: other figures, other clients, and why it failed."""
    rest = {name: value for name, value in row.ours.items() if name not in SHOWN}
    lines = [_words(rest)] if rest else []
    lines += [f"{name}: {_words(figures)}" for name, figures in row.others.items()]
    return [*lines, *([f"failed: {row.problem}"] if row.problem else [])]


def _words(figures: Figures) -> str:
    return ", ".join(f"{name} {_number(value, 'g')}" for name, value in _rounded(figures).items())


def _rounded(figures: Figures) -> dict[str, float]:
    return {name: value if value == int(value) else round(value, 3) for name, value in figures.items()}


def _number(value: float | None, form: str) -> str:
    return ABSENT if value is None else f"{value:{form}}"
