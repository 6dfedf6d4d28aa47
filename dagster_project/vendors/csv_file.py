"""Deliveries as CSV: a header, double quotes, UTF-8 (RFC 4180); between cells commas, semicolons, tabs or bars.

Belongs here: cutting a file into rows. Does not belong here: what a row must hold (`canonical`).
"""

from __future__ import annotations

import csv
import re
from collections import Counter, deque
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TextIO

from dagster_project.vendors.canonical import REQUIRED_FIELDS, Cells, Defect, Row
from dagster_project.vendors.jsonl import CUT_ROW, LONGEST_ROW

NOT_CSV = Defect(
    "not_csv",
    "the quotes of this line do not match, or a cell is longer than 131,072 characters: put a cell that holds a "
    "quote into quotes, and double the quote within.",
)
WRONG_WIDTH = Defect(
    "wrong_width", "this row has not as many cells as the header: put cells that hold commas in quotes."
)


DELIMITERS = ",;\t|"


def read_csv(
    path: Path, required: Collection[str], delimiter: str | None = None
) -> Iterator[tuple[int, Cells | Defect]]:
    """Yield each row's number, from 1 below the header, and its cells by column.

    A column whose name stands in the header several times is called ``name[1]``, ``name[2]`` …; none of the required
    may. The last row of a file that does not end in a line break is `cut_row` even if it has all its
    cells: nothing tells whether the last one is whole.
    """
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        rows = _parsed(file, delimiter or _delimiter(file))
        for cells in rows:
            header = [name.strip() for name in cells or []]
            if defect := header_defect(header, required):
                yield 1, defect
            else:
                yield from _read_rows(rows, numbered_names(header), is_cut=_is_cut(path))
            return


def numbered_names(header: list[str]) -> list[str]:
    """Return the names of columns, those that stand there several times with their number in brackets."""
    counts, seen = Counter(header), Counter[str]()
    names = []
    for name in header:
        seen[name] += 1
        names.append(f"{name}[{seen[name]}]" if name and counts[name] > 1 else name)
    return names


def _delimiter(file: TextIO) -> str:
    """Return the sign that parts the cells of the header, and pass over Excel's ``sep=;`` before it."""
    start = file.tell()
    first = file.readline(LONGEST_ROW)
    if first.lower().startswith("sep=") and len(first.strip()) == len("sep=;"):
        return first[len("sep=")]
    file.seek(start)
    bare = re.sub(r'"[^"]*"', "", first)
    return max(DELIMITERS, key=bare.count)


def _read_rows(
    rows: Iterator[list[str] | None], header: list[str], is_cut: bool
) -> Iterator[tuple[int, Cells | Defect]]:
    """Hold each row back until the next one shows that it is not the last."""
    held: tuple[int, Cells | Defect] | None = None
    for number, cells in enumerate(rows, start=1):
        if held:
            yield held
        held = number, _named(header, cells)
    if held:
        yield (held[0], CUT_ROW) if is_cut else held


def _parsed(file: TextIO, delimiter: str) -> Iterator[list[str] | None]:
    """Yield the cells of each row that is not blank, and None for a line that is not CSV.

    A quote that is never closed would swallow all rows up to the next quote: only its own line
    is given up, and the lines after it are read again.
    """
    given_back: deque[str] = deque()
    while True:
        lines: list[str] = []
        try:
            cells = next(csv.reader(_noted(file, given_back, lines), delimiter=delimiter, strict=True), None)
        except csv.Error:
            given_back.extendleft(reversed(lines[1:]))
            yield None
            continue
        if cells is None:
            return
        if cells:
            yield cells


def _noted(file: TextIO, given_back: deque[str], lines: list[str]) -> Iterator[str]:
    """Yield lines, those given back first, and note them in ``lines``."""
    while line := given_back.popleft() if given_back else file.readline(LONGEST_ROW):
        lines.append(line)
        yield line


def _named(header: list[str], cells: list[str] | None) -> Cells | Defect:
    if cells is None:
        return NOT_CSV
    if len(cells) != len(header):
        return WRONG_WIDTH
    return {name: cell for name, cell in zip(header, cells, strict=True) if name}


def header_defect(header: list[str], required: Collection[str]) -> Defect | None:
    """Name what the header lacks, never what it has: without a header, that would be a row."""
    if missing := [name for name in required if name not in {*header, *numbered_names(header)}]:
        return Defect(
            "missing_columns",
            f"the header lacks {', '.join(f'`{name}`' for name in missing)}: no row of this file was read. "
            "Put the column names in the first line, separated by commas, and deliver the file again; or, if the "
            "vendor's columns are called otherwise, say so in its `mapping` in vendors.yaml.",
        )
    # in a row of Steerworks' own shape, fields that may be left out must not stand there twice either
    known = [*Row.model_fields, *required] if set(REQUIRED_FIELDS) <= set(required) else required
    if twice := [name for name in dict.fromkeys(known) if header.count(name) > 1]:
        return Defect(
            "repeated_columns",
            f"the header has {', '.join(f'`{name}`' for name in twice)} more than once: no row of this file was read. "
            "Leave one of each, and deliver the file again; or map `name[1]`, `name[2]` … in vendors.yaml.",
        )
    return None


def _is_cut(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, 2)
        return file.read(1) not in (b"\n", b"\r")
