"""What changed since the parent release, said in Markdown: CHANGELOG.md, and `steerworks diff`.

Belongs here: the words. Does not belong here: finding the changes (`difference`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dagster_project.releases.card import cell, count, figure
from dagster_project.releases.difference import CHANGES, REASONS, Difference
from dagster_project.releases.manifest import Manifest
from dagster_project.withdrawn import WITHDRAWN

EXPLANATIONS = {
    "added": "responses that the parent does not have",
    "removed": "responses that only the parent has",
    "changed": "responses that differ in a column that both have, or in their split",
    "kept": "responses that are the same",
}
MEASURES = ("n", "mean", "deviation", "correlation")


def first_changelog(version: str, rows: int) -> str:
    """Return the text of CHANGELOG.md of a release without a parent."""
    return f"# Changes in {version}\n\nThe first release: {rows:,} rated responses.\n"


def changelog(older: Manifest, newer: Manifest, found: Difference) -> str:
    """Return the text of CHANGELOG.md of a release against its parent; it says the same in every build."""
    parts = [
        f"# Changes in {newer.version}\n\nAgainst its parent {older.version}, by task and response:\n\n",
        _counts(found),
        _reasons(found),
        _rows(found),
        "".join(f"- {line}\n" for line in [*_about(older, newer), *_columns(found)]),
        _statistics(older.version, newer.version, found),
    ]
    return "\n".join(part for part in parts if part)


def _counts(found: Difference) -> str:
    lines = [f"| {change} | {found.total(change):,} | {EXPLANATIONS[change]} |\n" for change in CHANGES]
    return "| change | rows | |\n| --- | ---: | --- |\n" + "".join(lines)


def _reasons(found: Difference) -> str:
    lines = [
        f"| {row['change']} | {row['reason']} | {row['rows']:,} | {REASONS[row['reason']]} |\n"
        for change in CHANGES
        for row in found.counts
        if row["change"] == change and row["reason"]
    ]
    return "Why:\n\n| change | reason | rows | |\n| --- | --- | ---: | --- |\n" + "".join(lines) if lines else ""


def _rows(found: Difference) -> str:
    """List the rows that the difference names, but for those that were withdrawn: nobody is to be led to them."""
    lines = [
        f"| {row['change']} | {row['reason']} | {cell(row['task_id'])} | {cell(row['response_id'])} | "
        f"{cell(row['model'])} |\n"
        for row in found.rows
        if row["reason"] != WITHDRAWN
    ]
    if not lines:
        return ""
    return "The first of them:\n\n| change | reason | task | response | model |\n| --- | --- | --- | --- | --- |\n" + (
        "".join(lines)
    )


def _about(older: Manifest, newer: Manifest) -> Iterator[str]:
    """Yield what changed in the manifest."""
    if older.licence != newer.licence:
        yield f"licence: {older.licence} became {newer.licence}"
    if older.rubric != newer.rubric:
        yield f"rubric: {older.rubric.name} {older.rubric.version} became {newer.rubric.name} {newer.rubric.version}"
    for word, slugs in (
        ("new", [slug for slug in newer.campaigns if slug not in older.campaigns]),
        ("gone", [slug for slug in older.campaigns if slug not in newer.campaigns]),
    ):
        yield from (f"campaign `{slug}` is {word}" for slug in slugs)
    for slug in newer.campaigns:
        if slug in older.policies and older.policies[slug] != newer.policies[slug]:
            yield f"policy of campaign `{slug}`: {_policy(older.policies[slug], newer.policies[slug])}"
    if older.code_version != newer.code_version:
        yield "the code that made it"


def _policy(older: dict[str, Any], newer: dict[str, Any]) -> str:
    before, after = _flat(older), _flat(newer)
    names = [name for name in sorted(before | after) if before.get(name) != after.get(name)]
    return ", ".join(f"{name} {before.get(name)} became {after.get(name)}" for name in names)


def _flat(policy: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in policy.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return flat


def _columns(found: Difference) -> Iterator[str]:
    for word, tables in (
        ("is new", found.columns_new),
        ("is gone", found.columns_gone),
        ("has another type", found.columns_retyped),
    ):
        for table, names in tables.items():
            yield from (f"column `{name}` of `{table}` {word}" for name in names)


def _statistics(older: str, newer: str, found: Difference) -> str:
    """Return the statistics of both side by side, as on the card."""
    heads = [f"{measure} {version}" for measure in MEASURES for version in (older, newer)]
    lines = [f"| | {' | '.join(heads)} |\n", f"| --- |{' ---: |' * len(heads)}\n"]
    for row in found.statistics:
        cells = [_cell(measure, row[f"{measure}_{side}"]) for measure in MEASURES for side in ("older", "newer")]
        lines.append(f"| {cell(row['measure'])} | {' | '.join(cells)} |\n")
    return "Statistics of the rows of `data`:\n\n" + "".join(lines)


def _cell(measure: str, value: float | None) -> str:
    if value is None:
        return "–"
    return count(int(value)) if measure == "n" else figure(value)
