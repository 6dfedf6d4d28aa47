"""A vendor's own rows turned into annotations, by the `mapping` of `config/vendors.yaml`.

Belongs here: finding values, unfolding rows, laying scales and words over the rubric's. Does not belong here: what
may be written in a mapping (`settings.mappings`), or what an annotation must hold (`canonical`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from functools import cached_property, lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from dagster_project.settings import Rubric
from dagster_project.settings.mappings import TIMES_IN_SECONDS, Annotator, Source, Sources
from dagster_project.settings.mappings import Mapping as Spec
from dagster_project.settings.rubric import Scale
from dagster_project.vendors.canonical import BrokenRowError, Cells, Defect, Row, is_empty

NO_LIST = Defect("no_list", "there is no list at the path that `mapping.each` of vendors.yaml gives.")
NOBODY = Defect("not_annotated", "the columns of all annotators are empty in this row: nothing was rated in it.")
NO_TIME = Defect(
    "bad_time",
    "`submitted_at` is no ISO 8601 time. Say in `mapping.time_format` of vendors.yaml how it is written, such as "
    "%d/%m/%Y %H:%M, or `unix` for seconds since 1970.",
)
NO_OFFSET = Defect(
    "bad_time",
    "`submitted_at` has no offset. Say in `mapping.timezone` of vendors.yaml by which clock it is: Europe/Berlin, say.",
)
FIELDS = frozenset({*Row.model_fields, "position"})
"""What is no rating; its words are taken at once, those of ratings when the rubric is known."""
_WHOSE = frozenset({"task_id", "response_id", "position", "annotator", "submitted_at"})
_PLACEHOLDER = re.compile(r"\{([^{}]+)\}")
_REASON = re.compile(r"[(\[].*[)\]]$", re.DOTALL)
_PLAIN_NUMBER = re.compile(r"\s*[+-]?[0-9]{1,9}([.,][0-9]{1,9})?\s*")


@dataclass(frozen=True)
class Columns:
    """One vendor's mapping at work."""

    spec: Spec

    def annotations(self, row: Cells) -> Iterator[tuple[Cells, Sources] | Defect]:
        """Yield the annotations of a row, with where each field was found; ratings are in the vendor's own words."""
        for place in self._places(row):
            if isinstance(place, Defect):
                yield place
                continue
            by_whom = [readings for by, readings in self._readings if self._says_anything(place, by)]
            if not by_whom:
                yield NOBODY
            for readings in by_whom:
                for position, sources in enumerate(readings, start=1):
                    yield self._annotation(place, sources, position), sources

    @cached_property
    def _readings(self) -> list[tuple[Annotator, tuple[Sources, ...]]]:
        return self.spec.readings()

    def meant(self, found: Cells, sources: Sources, rubric: Rubric) -> Cells:
        """Return an annotation in the rubric's words and numbers; attributes that nothing is mapped to are empty.

        Raises:
            BrokenRowError: a rating is none of the vendor's words, or lies between the rubric's steps.
        """
        cells: dict[str, Any] = {**dict.fromkeys(rubric.names), **found}
        long = self.spec.long.rating if self.spec.long else None
        for name in rubric.names:
            if (source := sources.get(name) or long) and not is_empty(cells[name]):
                cells[name] = self._rating(name, cells[name], source, rubric.scale)
        cells["submitted_at"] = self._moment(cells.get("submitted_at"))
        return cells

    def _places(self, row: Cells) -> Iterator[Cells | Defect]:
        """Yield the row, or the row with each element of its list in the list's place."""
        if self.spec.each is None:
            yield row
            return
        elements = value_at(row, self.spec.each)
        if not isinstance(elements, list):
            yield NO_LIST
            return
        for element in elements:
            yield _replaced(row, self.spec.each.split("."), element)

    def _says_anything(self, row: Cells, by: Annotator) -> bool:
        """Say whether an annotator's own columns hold anything: where few of many rate a row, the others' are empty."""
        own = [source for group in by.groups() for name, source in group.items() if name not in _WHOSE and source.path]
        return not own or any(not is_empty(self._value(row, source)) for source in own)

    def _annotation(self, row: Cells, sources: Sources, position: int) -> Cells:
        cells = {
            name: _in_words(self._value(row, source), source.words if name in FIELDS else None)
            for name, source in sources.items()
        }
        if "response_id" not in cells:
            cells.setdefault("position", position)
        long = self.spec.long
        if long:
            attribute = _as_text(value_at(row, long.attribute)).strip()
            cells[long.names.get(attribute, attribute)] = self._value(row, long.rating)
        return cells

    def _value(self, row: Cells, source: Source) -> Any:
        if source.path is not None:
            value = value_at(row, source.path)
        elif source.template is not None:
            value = _PLACEHOLDER.sub(lambda found: _as_text(value_at(row, found[1])), source.template)
        else:
            value = source.value
        return None if self._is_missing(value) else value

    def _is_missing(self, value: Any) -> bool:
        """Say whether a cell holds one of the words for nothing, alone or before a reason in brackets."""
        if not isinstance(value, str):
            return False
        word = value.strip()
        if word.endswith((")", "]")):
            word = _REASON.sub("", word).strip()
        return word.lower() in self._missing

    @cached_property
    def _missing(self) -> frozenset[str]:
        return frozenset(word.lower() for word in self.spec.missing)

    def _rating(self, name: str, value: Any, source: Source, scale: Scale) -> Any:
        """Return a rating on the rubric's scale; words stand for the rubric's numbers already."""
        meant = _in_words(value, self.spec.words if source.words is None else source.words)
        theirs = source.scale or self.spec.scale
        return meant if meant is not value or theirs is None else _laid_over(name, value, theirs, scale)

    def _moment(self, value: Any) -> Any:
        """Return a time with its offset.

        Raises:
            BrokenRowError: it is none, as far as the mapping says how to read it.
        """
        if is_empty(value):
            return value
        try:
            moment = self._read_time(str(value).strip())
        except (ValueError, OverflowError, OSError):
            raise BrokenRowError([NO_TIME]) from None
        if moment.tzinfo is None and self.spec.timezone:
            moment = moment.replace(tzinfo=ZoneInfo(self.spec.timezone)).astimezone(UTC)
        if moment.tzinfo is None:
            raise BrokenRowError([NO_OFFSET])
        return moment.isoformat()

    def _read_time(self, value: str) -> datetime:
        form = self.spec.time_format
        if form == TIMES_IN_SECONDS:
            return datetime.fromtimestamp(float(value), UTC)
        return datetime.strptime(value, form) if form else datetime.fromisoformat(value)  # noqa: DTZ007


def value_at(row: Any, path: str) -> Any:
    """Return what stands at a path: a column of just this name, or nested by dots; None if there is nothing."""
    if isinstance(row, Mapping) and path in row:
        return row[path]
    head, dot, rest = path.partition(".")
    if not dot:
        return row[int(head)] if isinstance(row, list) and head.isdecimal() and int(head) < len(row) else None
    if isinstance(row, Mapping):
        return value_at(row.get(head), rest)
    return value_at(value_at(row, head), rest) if isinstance(row, list) else None


def _as_text(value: Any) -> str:
    return "" if value is None else str(value)


def _replaced(row: Any, path: list[str], element: Any) -> Any:
    if not path:
        return element
    return {**row, path[0]: _replaced(row.get(path[0]), path[1:], element)}


def _in_words(value: Any, words: Mapping[str, int | str | None] | None) -> Any:
    """Return what a word stands for, whatever its case; a value that is no such word is itself."""
    if not words or value is None:
        return value
    wanted = str(value).strip().lower()
    return next((meant for word, meant in words.items() if word.strip().lower() == wanted), value)


def _is_number(value: Any) -> bool:
    return (isinstance(value, int | float) and not isinstance(value, bool)) or (
        isinstance(value, str) and bool(_PLAIN_NUMBER.fullmatch(value))
    )


def _laid_over(name: str, value: Any, theirs: Scale, ours: Scale) -> Any:
    """Return a rating on the rubric's scale: ends on ends, and the steps between them evenly.

    Raises:
        BrokenRowError: it is not on the vendor's scale, or not on one of the rubric's steps.
    """
    if not _is_number(value):
        return value
    meant = _share(str(value).strip().replace(",", "."), theirs.lowest, theirs.highest, ours.lowest, ours.highest)
    if meant is None:
        raise BrokenRowError(
            [Defect("out_of_scale", f"`{name}` must be from {theirs.lowest} to {theirs.highest}, or empty.")]
        )
    if meant.denominator != 1:
        raise BrokenRowError(
            [Defect("between_steps", f"`{name}` lies between two steps of the rubric's scale: map its `words`.")]
        )
    return int(meant)


@lru_cache(maxsize=1 << 12)
def _share(number: str, lowest: int, highest: int, our_lowest: int, our_highest: int) -> Fraction | None:
    """Return where a number of one scale lies on ours; None if it is not on it. A file holds few that differ."""
    given = Fraction(number)
    if not lowest <= given <= highest:
        return None
    return our_lowest + (given - lowest) / (highest - lowest) * (our_highest - our_lowest)
