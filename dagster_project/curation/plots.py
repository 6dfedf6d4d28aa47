"""Small plots as SVG text: shares before and after as bars, and a map of named circles.

Belongs here: drawing. Does not belong here: what is drawn.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

BEFORE, AFTER, INK, PAPER = "#9aa5b1", "#3866a3", "#222", "#fff"
BAR_WIDTH, ROW_HEIGHT, LABEL_WIDTH, MARGIN = 360, 26, 230, 12
LABEL_CHARACTERS = 36
MAP_WIDTH, MAP_HEIGHT, MOST_RADIUS, LEAST_RADIUS = 900, 600, 30, 3


class Bar(NamedTuple):
    """A share before and after, 0 to 1."""

    label: str
    before: float
    after: float


class Circle(NamedTuple):
    """A named place on a map; ``area`` is in any unit, ``fresh`` ones have another colour."""

    label: str
    x: float
    y: float
    area: float
    fresh: bool


def as_markdown(name: str, svg: str) -> str:
    """Return an image as Markdown that needs no file beside it."""
    return f"![{name}](data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()})"


def bar_chart(title: str, bars: Sequence[Bar]) -> str:
    """Return two bars a row, before and after."""
    most = max((max(bar.before, bar.after) for bar in bars), default=0.0) or 1.0
    left, top = MARGIN + LABEL_WIDTH, MARGIN + 44
    parts = [_text(MARGIN, MARGIN + 14, title, bold=True), *_legend(MARGIN + 32)]
    for number, bar in enumerate(bars):
        y = top + number * ROW_HEIGHT
        parts.append(_text(left - 8, y + 15, _short(bar.label), anchor="end"))
        for offset, share, colour in ((2, bar.before, BEFORE), (12, bar.after, AFTER)):
            width = BAR_WIDTH * share / most
            parts.append(f'<rect x="{left}" y="{y + offset}" width="{width:.1f}" height="9" fill="{colour}"/>')
            parts.append(_text(left + width + 4, y + offset + 8, f"{share:.1%}", size=9))
    return _svg(left + BAR_WIDTH + 60, top + len(bars) * ROW_HEIGHT + MARGIN, parts)


def circle_map(title: str, circles: Sequence[Circle], named: int) -> str:
    """Return circles at their places, the ``named`` largest with their labels."""
    largest = max((circle.area for circle in circles), default=1.0) or 1.0
    xs, ys = [circle.x for circle in circles], [circle.y for circle in circles]
    parts = [_text(MARGIN, MARGIN + 14, title, bold=True)]
    names = []
    for number, circle in enumerate(sorted(circles, key=lambda circle: -circle.area)):
        x = _scaled(circle.x, xs, 90, MAP_WIDTH - 90)
        y = _scaled(circle.y, ys, MAP_HEIGHT - 50, 60)
        radius = max(LEAST_RADIUS, MOST_RADIUS * (circle.area / largest) ** 0.5)
        colour = AFTER if circle.fresh else BEFORE
        parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="{colour}" fill-opacity="0.55" stroke="{PAPER}">'
            f"<title>{escape(circle.label)}: {circle.area:g}</title></circle>"
        )
        if number < named:
            names.append(_text(x, y + 3, _short(circle.label), anchor="middle", size=10))
    return _svg(MAP_WIDTH, MAP_HEIGHT, [*parts, *names])


def _legend(y: float) -> list[str]:
    parts = []
    for x, word, colour in ((MARGIN, "before", BEFORE), (MARGIN + 80, "after", AFTER)):
        parts.append(f'<rect x="{x}" y="{y - 9}" width="10" height="10" fill="{colour}"/>')
        parts.append(_text(x + 15, y, word))
    return parts


def _scaled(value: float, values: Sequence[float], low: float, high: float) -> float:
    span = max(values) - min(values)
    return low + (high - low) * (value - min(values)) / span if span else (low + high) / 2


def _text(x: float, y: float, words: str, anchor: str = "start", size: int = 11, bold: bool = False) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{INK}"{weight}>'
        f"{escape(words)}</text>"
    )


def _short(label: str) -> str:
    return label if len(label) <= LABEL_CHARACTERS else f"{label[: LABEL_CHARACTERS - 1]}…"


def _svg(width: float, height: float, parts: Sequence[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" font-family="sans-serif">'
        f'<rect width="100%" height="100%" fill="{PAPER}"/>{"".join(parts)}</svg>'
    )
