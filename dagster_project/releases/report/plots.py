"""The plots of the report, each a function from rows of a statement to a drawing.

Belongs here: what goes where in a drawing. Does not belong here: counting, and words around the plots.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from dagster_project.releases.report.svg import (
    dot,
    drawing,
    is_dark,
    line,
    path,
    rect,
    shade,
    short,
    text,
    two_way_shade,
)
from dagster_project.settings import Rubric

Row = Mapping[str, Any]
WIDTH = 960
LABELS = 204
RIGHT = 92
BAND = 24
NORMAL_95 = 1.959964


@dataclass(frozen=True)
class _Scale:
    """Maps values from ``low`` to ``high`` to a stretch of the drawing; an upright one is high at its start."""

    low: float
    high: float
    start: float = LABELS
    length: float = WIDTH - LABELS - RIGHT
    upright: bool = False

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return self.start + (1 - share if self.upright else share) * self.length


def rating_distributions(rows: Sequence[Row], rubric: Rubric) -> list[tuple[str, str]]:
    """Return a drawing for each attribute: a bar a model, parted by rating, best mean first."""
    return [
        (attribute, _distribution(attribute, list(of_attribute), rubric))
        for attribute, of_attribute in groupby(rows, key=lambda row: row["attribute"])
    ]


def _distribution(attribute: str, rows: Sequence[Row], rubric: Rubric) -> str:
    models = {model: list(own) for model, own in groupby(rows, key=lambda row: row["model"])}
    means = {model: _mean(own) for model, own in models.items()}
    width = WIDTH - LABELS - RIGHT
    parts = []
    for number, model in enumerate(sorted(models, key=lambda model: (-means[model], model))):
        y, x = number * BAND, float(LABELS)
        total = sum(row["responses"] for row in models[model])
        parts.append(text(LABELS - 10, y + 16, short(model), "label", "end"))
        for row in models[model]:
            share = row["responses"] / total
            place = (row["value"] - rubric.scale.lowest) / (rubric.scale.highest - rubric.scale.lowest)
            tip = f"{model}, {attribute} {row['value']}: {row['responses']:,} of {total:,} ({share:.1%})"
            parts.append(rect(x, y + 3, share * width, BAND - 6, shade(place), tip))
            if share * width > 26:
                kind = "on-dark" if is_dark(place) else "on-light"
                parts.append(text(x + share * width / 2, y + 16, str(row["value"]), kind, "middle"))
            x += share * width
        parts.append(text(WIDTH - RIGHT + 10, y + 16, f"{means[model]:.2f}", "figure"))
    label = f"How often each model got each rating of {attribute}; means on the right."
    return drawing(WIDTH, BAND * len(models), label, parts)


def _mean(rows: Sequence[Row]) -> float:
    return float(sum(row["value"] * row["responses"] for row in rows) / sum(row["responses"] for row in rows))


def wilson(successes: float, trials: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share; ``successes`` may hold halves."""
    share, z2 = successes / trials, NORMAL_95**2
    middle = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    reach = NORMAL_95 / (1 + z2 / trials) * math.sqrt(share * (1 - share) / trials + z2 / (4 * trials**2))
    return max(0.0, middle - reach), min(1.0, middle + reach)


def overall_win_rates(rows: Sequence[Row]) -> str:
    """Return a drawing of each model's share of wins over all others, a tie being half a win, with its interval."""
    totals: dict[str, list[int]] = {}
    for row in rows:
        sums = totals.setdefault(row["model"], [0, 0, 0])
        for place, name in enumerate(("wins", "ties", "losses")):
            sums[place] += row[name]
    rates = {model: (wins + ties / 2) / (wins + ties + losses) for model, (wins, ties, losses) in totals.items()}
    at = _Scale(0, 1)
    height = BAND * len(rates)
    parts = [line(at(tick), 0, at(tick), height, "half" if tick == 0.5 else "grid") for tick in (0, 0.25, 0.5, 0.75, 1)]
    parts += [text(at(tick), height + 16, f"{tick:.0%}", "tick", "middle") for tick in (0, 0.25, 0.5, 0.75, 1)]
    for number, model in enumerate(sorted(rates, key=lambda model: (-rates[model], model))):
        wins, ties, losses = totals[model]
        low, high = wilson(wins + ties / 2, wins + ties + losses)
        y = number * BAND + BAND / 2
        tip = f"{model}: {wins:,} wins, {ties:,} ties, {losses:,} losses; 95 % interval {low:.1%} to {high:.1%}"
        parts += [
            text(LABELS - 10, y + 4, short(model), "label", "end"),
            line(at(low), y, at(high), y, "interval"),
            dot(at(rates[model]), y, 5, "mark", tip),
            text(WIDTH - RIGHT + 10, y + 4, f"{rates[model]:.1%}", "figure"),
        ]
    return drawing(WIDTH, height + 22, "Share of comparisons that each model won, with 95 % intervals.", parts)


def win_matrix(rows: Sequence[Row]) -> str:
    """Return a drawing of how often the model of a row beat the model of a column."""
    models = sorted({row["model"] for row in rows})
    side = min(110.0, (WIDTH - LABELS) / max(len(models), 1))
    high = min(46.0, side)
    place = {model: number for number, model in enumerate(models)}
    parts = [
        text(LABELS - 10, 30 + n * high + high / 2 + 4, short(model), "label", "end") for model, n in place.items()
    ]
    parts += [
        text(LABELS + n * side + side / 2, 20, _fitting(model, side), "tick", "middle") for model, n in place.items()
    ]
    for row in rows:
        trials = row["wins"] + row["ties"] + row["losses"]
        rate = (row["wins"] + row["ties"] / 2) / trials
        low, up = wilson(row["wins"] + row["ties"] / 2, trials)
        x, y = LABELS + place[row["opponent"]] * side, 30 + place[row["model"]] * high
        tip = (
            f"{row['model']} against {row['opponent']}: {row['wins']:,} wins, {row['ties']:,} ties, "
            f"{row['losses']:,} losses; 95 % interval {low:.1%} to {up:.1%}"
        )
        parts.append(rect(x + 1, y + 1, side - 2, high - 2, two_way_shade(2 * rate - 1), tip))
        kind = "on-dark" if abs(rate - 0.5) > 0.4 else "on-light"
        if side >= 44:
            parts.append(text(x + side / 2, y + high / 2, f"{rate:.0%}", kind, "middle"))
            parts.append(text(x + side / 2, y + high / 2 + 13, f"{low:.0%}–{up:.0%}", f"{kind} small", "middle"))
    return drawing(WIDTH, 32 + high * len(models), "How often the model of a row beat that of a column.", parts)


def _fitting(label: str, width: float) -> str:
    most = max(2, int(width / 7.5))
    return label if len(label) <= most else label[: most - 1] + "…"


def lengths(rows: Sequence[Row]) -> str:
    """Return a drawing of each model's response lengths: quartiles as a box, the middle nine tenths as a line."""
    longest = max((row["p95"] for row in rows), default=1) or 1
    top = _round_up(longest)
    height = BAND * len(rows)
    at = _Scale(0, top)
    ticks = [top * part / 4 for part in range(5)]
    parts = [line(at(tick), 0, at(tick), height, "grid") for tick in ticks]
    parts += [text(at(tick), height + 16, f"{tick:,.0f}", "tick", "middle") for tick in ticks]
    for number, row in enumerate(sorted(rows, key=lambda row: (-row["p50"], row["model"]))):
        y = number * BAND + BAND / 2
        tip = (
            f"{row['model']}, {row['responses']:,} responses: median {row['p50']:,} characters, middle half "
            f"{row['p25']:,} to {row['p75']:,}, middle nine tenths {row['p5']:,} to {row['p95']:,}"
        )
        parts += [
            text(LABELS - 10, y + 4, short(row["model"]), "label", "end"),
            line(at(row["p5"]), y, at(row["p95"]), y, "interval"),
            rect(at(row["p25"]), y - 7, max(at(row["p75"]) - at(row["p25"]), 1), 14, "", tip, "box"),
            line(at(row["p50"]), y - 7, at(row["p50"]), y + 7, "median"),
            text(WIDTH - RIGHT + 10, y + 4, f"{row['p50']:,}", "figure"),
        ]
    return drawing(WIDTH, height + 22, "Characters of each model's responses; medians on the right.", parts)


def _round_up(value: int) -> int:
    step = int("1" + "0" * (len(str(value)) - 1))
    return -(-value // step) * step


def rating_by_length(rows: Sequence[Row], rubric: Rubric) -> str:
    """Return a drawing of the mean rating over tenths of responses, shortest first."""
    low, high = rubric.scale.lowest, rubric.scale.highest
    height = 150
    across = _Scale(0.5, 10.5)
    up = _Scale(low, high, start=10, length=height, upright=True)
    parts = [line(LABELS, up(level), WIDTH - RIGHT, up(level), "grid") for level in (low, (low + high) / 2, high)]
    parts += [text(LABELS - 10, up(level) + 4, f"{level:g}", "tick", "end") for level in (low, (low + high) / 2, high)]
    parts.append(path([(across(row["tenth"]), up(row["mean"])) for row in rows], "trend"))
    for row in rows:
        x, y = across(row["tenth"]), up(row["mean"])
        extent = f"{row['shortest']:,} to {row['longest']:,} characters"
        tip = f"{extent}, {row['responses']:,} responses: mean {row['mean']:.2f}"
        parts += [
            dot(x, y, 5, "mark", tip),
            text(x, y - 10, f"{row['mean']:.2f}", "figure small", "middle"),
            text(x, height + 28, f"≤ {row['longest']:,}", "tick", "middle"),
        ]
    label = f"Mean {rubric.deciding[0]} over tenths of the responses, from the shortest to the longest."
    return drawing(WIDTH, height + 36, label, parts)


def correlations(rows: Sequence[Row]) -> str:
    """Return a drawing of the lower half of the table of correlations."""
    across = {row["column_place"]: row["column_measure"] for row in rows}
    down = {row["row_place"]: row["row_measure"] for row in rows}
    side = min(110.0, (WIDTH - LABELS - RIGHT) / max(len(across), 1))
    columns = {place: number for number, place in enumerate(sorted(across))}
    lines = {place: number for number, place in enumerate(sorted(down))}
    parts = [text(LABELS - 10, n * 36 + 22, short(down[p]), "label", "end") for p, n in lines.items()]
    foot = 36 * len(lines) + 18
    parts += [
        text(LABELS + n * side + side / 2, foot, _fitting(across[p], side), "tick", "middle")
        for p, n in columns.items()
    ]
    for row in rows:
        value = row["correlation"]
        x, y = LABELS + columns[row["column_place"]] * side, lines[row["row_place"]] * 36
        shown = "–" if value is None else f"{value:.2f}"
        tip = f"{row['row_measure']} with {row['column_measure']}: {shown}"
        parts.append(rect(x + 1, y + 1, side - 2, 34, two_way_shade(value or 0), tip))
        parts.append(text(x + side / 2, y + 22, shown, "on-dark" if abs(value or 0) > 0.8 else "on-light", "middle"))
    return drawing(WIDTH, foot + 8, "Correlations between attributes, and with the response's length.", parts)


def funnel(rows: Sequence[Row]) -> str:
    """Return a drawing of how many came how far: a bar a step, as a share of the first step of its kind."""
    parts: list[str] = []
    y = 0.0
    width = WIDTH - LABELS - RIGHT
    for kind, steps in groupby(rows, key=lambda row: row["kind"]):
        of_kind = list(steps)
        first = max(of_kind[0]["number"], 1)
        parts.append(text(LABELS, y + 14, kind, "heading"))
        y += 20
        for row in of_kind:
            share = min(row["number"] / first, 1.0)
            tip = f"{kind} {row['step']}: {row['number']:,} ({row['number'] / first:.1%})"
            parts += [
                text(LABELS - 10, y + 16, row["step"], "label", "end"),
                rect(LABELS, y + 3, width, BAND - 6, "", "", "track"),
                rect(LABELS, y + 3, share * width, BAND - 6, "", tip, "bar"),
                text(WIDTH - RIGHT + 10, y + 16, f"{row['number']:,}", "figure"),
            ]
            y += BAND
        y += 12
    return drawing(WIDTH, y, "How many prompts, tasks and annotations came how far.", parts)


def agreement(rows: Sequence[Row]) -> str:
    """Return a drawing of agreement after the filter, beside the same figure on shuffled ratings."""
    low = min(
        0.0, *(value for row in rows for value in (row["retained"], row["retained_shuffled"]) if value is not None)
    )
    at = _Scale(low, 1)
    height = BAND * len(rows)
    parts = [line(at(tick), 0, at(tick), height, "grid") for tick in (0, 0.25, 0.5, 0.75, 1)]
    parts += [text(at(tick), height + 16, f"{tick:g}", "tick", "middle") for tick in (0, 0.25, 0.5, 0.75, 1)]
    for number, row in enumerate(rows):
        y, real, chance = number * BAND + BAND / 2, row["retained"], row["retained_shuffled"]
        parts.append(text(LABELS - 10, y + 4, short(row["attribute"]), "label", "end"))
        if real is None:
            continue
        if chance is not None:
            parts += [
                line(at(chance), y, at(real), y, "interval"),
                dot(at(chance), y, 5, "hollow", f"shuffled {chance:.3f}"),
            ]
        parts += [
            dot(at(real), y, 5, "mark", f"{row['attribute']}: {real:.3f}"),
            text(WIDTH - RIGHT + 10, y + 4, f"{real:.3f}", "figure"),
        ]
    return drawing(WIDTH, height + 22, "Agreement after the filter, and the same on shuffled ratings.", parts)
