"""Strokes of a drawing: text, rectangles, lines and dots as SVG, the same bytes for the same figures.

Belongs here: SVG's syntax. Does not belong here: what is drawn. Colours are the page's, by class, but for ramps.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Literal

Anchor = Literal["start", "middle", "end"]
_LONGEST_LABEL = 24
_RAMP = ((222, 235, 247), (107, 174, 214), (33, 113, 181), (8, 48, 107))
_TWO_WAYS = ((178, 24, 43), (244, 165, 130), (247, 247, 247), (146, 197, 222), (33, 102, 172))


def drawing(width: float, height: float, label: str, parts: Iterable[str]) -> str:
    """Return a whole drawing as wide as the page; ``label`` is what it says to those who cannot see it."""
    return f'<svg viewBox="0 0 {_n(width)} {_n(height)}" role="img" aria-label="{escape(label)}">{"".join(parts)}</svg>'


def text(x: float, y: float, words: str, kind: str = "", anchor: Anchor = "start") -> str:
    """Return a line of text; ``y`` is its baseline."""
    return f'<text x="{_n(x)}" y="{_n(y)}"{_class(kind)} text-anchor="{anchor}">{escape(words)}</text>'


def rect(x: float, y: float, width: float, height: float, fill: str, tip: str = "", kind: str = "") -> str:
    """Return a rectangle with what it says when it is pointed at."""
    place = f'x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}"'
    colour = f' fill="{fill}"' if fill else ""
    return f"<rect {place}{colour}{_class(kind)}>{_tip(tip)}</rect>"


def line(x1: float, y1: float, x2: float, y2: float, kind: str = "axis") -> str:
    """Return a straight line."""
    return f'<line x1="{_n(x1)}" y1="{_n(y1)}" x2="{_n(x2)}" y2="{_n(y2)}"{_class(kind)}/>'


def dot(x: float, y: float, radius: float, kind: str, tip: str = "") -> str:
    """Return a dot."""
    return f'<circle cx="{_n(x)}" cy="{_n(y)}" r="{_n(radius)}"{_class(kind)}>{_tip(tip)}</circle>'


def path(points: Iterable[tuple[float, float]], kind: str) -> str:
    """Return a line through points."""
    return f'<polyline points="{" ".join(f"{_n(x)},{_n(y)}" for x, y in points)}"{_class(kind)}/>'


def shade(share: float) -> str:
    """Return a colour for 0 (pale) to 1 (dark)."""
    return _between(_RAMP, share)


def two_way_shade(value: float) -> str:
    """Return a colour for -1 (red) over 0 (white) to 1 (blue)."""
    return _between(_TWO_WAYS, (value + 1) / 2)


def is_dark(share: float) -> bool:
    """Say whether white text is the readable one on `shade`."""
    return share > 0.45


def short(label: str) -> str:
    """Return a label that fits beside a plot."""
    return label if len(label) <= _LONGEST_LABEL else label[: _LONGEST_LABEL - 1] + "…"


def _between(stops: tuple[tuple[int, int, int], ...], share: float) -> str:
    place = min(max(share, 0.0), 1.0) * (len(stops) - 1)
    before = min(int(place), len(stops) - 2)
    red, green, blue = (
        round(a + (b - a) * (place - before)) for a, b in zip(stops[before], stops[before + 1], strict=True)
    )
    return f"#{red:02x}{green:02x}{blue:02x}"


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _class(kind: str) -> str:
    return f' class="{kind}"' if kind else ""


def _tip(words: str) -> str:
    return f"<title>{escape(words)}</title>" if words else ""
