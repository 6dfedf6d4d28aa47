"""Filters that are lists of rules: regular expressions in categories, from a YAML file.

Belongs here: reading such lists, and asking them of many texts at once. Does not belong here: the
rules, which lie in `curation/rules/` or where the user says.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from dagster_project.errors import SteerworksError
from dagster_project.settings.yaml_text import read_yaml

SHIPPED = Path(__file__).parents[1] / "rules"
SHOWN = 60
# The rules are about ASCII words. Classes over all of Unicode would make their automaton large and slow.
_ASCII = {r"\b": r"(?-u:\b)", r"\w": "[0-9A-Za-z_]", r"\d": "[0-9]"}
_BEGIN = r"(?:^|(?-u:\b)|[^0-9A-Za-z_])"
_QUOTED = '"[^"\n]{1,400}"|“[^”\n]{1,400}”|«[^»\n]{1,400}»'


class RuleList:
    """Categories and patterns; finds the first category that a text falls into.

    Raises:
        SteerworksError: the file is no such list, or a pattern is no regular expression.
    """

    def __init__(self, path: Path, *, ignore_quotes: bool = False) -> None:
        self._categories = {name: _joined(patterns) for name, patterns in _read(path).items()}
        self._any = "|".join(f"(?:{pattern})" for pattern in self._categories.values())
        self._ignore_quotes = ignore_quotes

    def findings(self, texts: Sequence[str]) -> dict[int, str]:
        """Return for each text that a rule finds, by its place, the category and the words found."""
        column = pl.Series("text", texts, dtype=pl.String).str.replace_all("’", "'", literal=True)
        if self._ignore_quotes:
            column = column.str.replace_all(_QUOTED, " ")
        places = column.str.contains(self._any).arg_true()
        found: dict[int, str] = {}
        for category, pattern in self._categories.items():
            waiting = [place for place in places if place not in found]
            words = column.gather(waiting).str.extract(f"({pattern})", 1)
            for place, word in zip(waiting, words, strict=True):
                if word is not None:
                    found[place] = f"{category}: {' '.join(word.split())[:SHOWN]}"
        return found


def rules_path(name: str, own: Path | None) -> Path:
    """Return the user's list of a filter, or the one that comes with Steerworks."""
    return own or SHIPPED / f"{name}.yaml"


def ascii_classes(pattern: str) -> str:
    """Return a pattern whose classes and word boundaries are about ASCII."""
    for unicode_class, ascii_class in _ASCII.items():
        pattern = pattern.replace(unicode_class, ascii_class)
    return pattern


def _read(path: Path) -> dict[str, list[str]]:
    content = read_yaml(path)
    if not isinstance(content, dict) or not content:
        raise SteerworksError(f"{path}: a list of rules has categories, each with its patterns.")
    for category, patterns in content.items():
        if not isinstance(patterns, list) or not patterns or not all(isinstance(one, str) and one for one in patterns):
            raise SteerworksError(f"{path}: the category `{category}` needs a list of patterns, each a text.")
        for pattern in patterns:
            _require_pattern(path, pattern)
    return content


def _require_pattern(path: Path, pattern: str) -> None:
    try:
        matches_nothing = not pl.Series([""]).str.contains(_joined([pattern]))[0]
    except pl.exceptions.ComputeError as error:
        raise SteerworksError(f"{path}: `{pattern}` is no regular expression: {error}. Mend this pattern.") from None
    if not matches_nothing:
        raise SteerworksError(f"{path}: `{pattern}` is found in every text. Narrow this pattern.")


def _joined(patterns: Sequence[str]) -> str:
    return f"(?im){_BEGIN}(?:{ascii_classes('|'.join(patterns))})"
