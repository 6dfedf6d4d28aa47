"""Plots of agreement as SVG text: figures with intervals, heat maps, bars, lines.

Belongs here: drawing. Does not belong here: what is drawn (`agreement_shown`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

INK, PAPER, GRID, FAINT = "#222", "#fff", "#ddd", "#9aa5b1"
SERIES = ("#9ecae1", "#6baed6", "#3182bd", "#08519c", "#e6550d", "#31a354", "#756bb1", "#636363")
WIDTH, LABEL, MARGIN, ROW, CELL = 620, 150, 14, 15, 30
RAMP = ((247, 251, 255), (8, 48, 107))


@dataclass(frozen=True)
class Point:
    """A figure with its interval, and the same figure on shuffled ratings."""

    value: float | None
    low: float | None = None
    high: float | None = None
    shuffled: float | None = None


def figures_plot(title: str, series: Sequence[str], groups: Sequence[tuple[str, Sequence[Point]]]) -> str:
    """Return a line for each figure, in groups, from the least to 1; shuffled figures are hollow."""
    known = [x for _, points in groups for point in points for x in (point.low, point.value, point.shuffled) if x]
    least = min(0.0, *known) if known else 0.0

    def x(value: float) -> float:
        return LABEL + (value - least) / (1 - least) * (WIDTH - LABEL - MARGIN)

    parts = [_text(MARGIN, MARGIN + 10, title, bold=True), *_legend(series, MARGIN + 28)]
    top = y = MARGIN + 50.0
    for name, points in groups:
        parts.append(_text(LABEL - 8, y + ROW * len(points) / 2, name, "end"))
        for colour, point in zip(SERIES, points, strict=False):
            parts += _point(point, y, x, colour)
            y += ROW
        y += ROW / 2
    axis = [_line(x(value), top - 10, x(value), y, GRID) for value in _ticks(least)]
    numbers = [_text(x(value), y + 12, f"{value:.1f}", "middle", 9) for value in _ticks(least)]
    return _svg(WIDTH, y + 24, [*axis, *parts, *numbers])


def heat_map(title: str, names: Sequence[str], shares: Sequence[Sequence[float]]) -> str:
    """Return a square of shares, row by row; the diagonal is where two annotators agree."""
    most = max((share for row in shares for share in row), default=0.0) or 1.0
    left, top = MARGIN + 30, MARGIN + 34
    parts = [_text(MARGIN, MARGIN + 8, title, bold=True)]
    for place, name in enumerate(names):
        parts.append(_text(left + CELL * (place + 0.5), top - 5, name, "middle"))
        parts.append(_text(left - 6, top + CELL * (place + 0.6), name, "end"))
    for row, values in enumerate(shares):
        for column, share in enumerate(values):
            x, y = left + CELL * column, top + CELL * row
            parts.append(f'<rect x="{x}" y="{y}" width="{CELL}" height="{CELL}" fill="{_shade(share / most)}"/>')
            colour = PAPER if share / most > 0.5 else INK
            parts.append(_text(x + CELL / 2, y + CELL * 0.6, f"{share:.0%}", "middle", 9, colour=colour))
    return _svg(max(left + CELL * len(names) + MARGIN, 180), top + CELL * len(names) + MARGIN, parts)


def stacked_bars(title: str, series: Sequence[str], bars: Sequence[tuple[str, Sequence[float]]]) -> str:
    """Return a bar for each name, its shares side by side; they add up to 1."""
    parts = [_text(MARGIN, MARGIN + 10, title, bold=True), *_legend(series, MARGIN + 28)]
    y = MARGIN + 44.0
    for name, shares in bars:
        x = float(LABEL)
        parts.append(_text(LABEL - 8, y + 11, name, "end"))
        for colour, share in zip(SERIES, shares, strict=False):
            width = share * (WIDTH - LABEL - MARGIN)
            parts.append(_rect(x, y, width, colour, f"{name}: {share:.1%}"))
            x += width
        y += ROW + 5
    return _svg(WIDTH, y + MARGIN, parts)


def funnel(title: str, bars: Sequence[tuple[str, float, float | None]]) -> str:
    """Return what is left at each stage as a share of the first, and beneath it the share of shuffled ratings."""
    parts = [_text(MARGIN, MARGIN + 10, title, bold=True), *_legend(("ratings as they are", "shuffled"), MARGIN + 28)]
    y = MARGIN + 44.0
    for name, share, shuffled in bars:
        parts.append(_text(LABEL - 8, y + 14, name, "end"))
        for colour, value in ((SERIES[0], share), (SERIES[1], shuffled)):
            if value is not None:
                width = value * (WIDTH - LABEL - 60)
                parts += [
                    _rect(LABEL, y, width, colour, name),
                    _text(LABEL + width + 4, y + 10, f"{value:.1%}", size=9),
                ]
                y += ROW
        y += ROW / 2
    return _svg(WIDTH, y + MARGIN, parts)


def _point(point: Point, y: float, x: Callable[[float], float], colour: str) -> list[str]:
    parts = []
    if point.low is not None and point.high is not None:
        parts.append(_line(x(point.low), y, x(point.high), y, colour, 2))
    if point.shuffled is not None:
        parts.append(f'<circle cx="{x(point.shuffled):.1f}" cy="{y:.1f}" r="3" fill="none" stroke="{FAINT}"/>')
    if point.value is not None:
        parts.append(f'<circle cx="{x(point.value):.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>')
    return parts


def _ticks(least: float) -> list[float]:
    return [value / 10 for value in range(-10, 11, 2) if value / 10 >= least - 1e-9]


def _legend(names: Sequence[str], y: float) -> list[str]:
    parts, x = [], float(MARGIN)
    for colour, name in zip(SERIES, names, strict=False):
        parts += [f'<rect x="{x}" y="{y - 9}" width="10" height="10" fill="{colour}"/>', _text(x + 14, y, name)]
        x += 26 + 6.2 * len(name)
    return parts


def _shade(share: float) -> str:
    low, high = RAMP
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in zip(low, high, strict=True))


def _rect(x: float, y: float, width: float, fill: str, tip: str) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{ROW - 2}"'
    return f'<rect {place} fill="{fill}"><title>{escape(tip)}</title></rect>'


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, width: int = 1) -> str:
    place = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {place} stroke="{colour}" stroke-width="{width}"/>'


def _text(
    x: float, y: float, words: str, anchor: str = "start", size: int = 11, *, bold: bool = False, colour: str = INK
) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{colour}"{weight}>'
        f"{escape(words)}</text>"
    )


def _svg(width: float, height: float, parts: Sequence[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" font-family="sans-serif">'
        f'<rect width="100%" height="100%" fill="{PAPER}"/>{"".join(parts)}</svg>'
    )
