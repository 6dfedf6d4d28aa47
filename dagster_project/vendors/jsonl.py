"""Deliveries as JSON: one object a line, or one list of objects.

Belongs here: cutting a file into objects. Does not belong here: what an object must hold (`canonical`).
"""

from __future__ import annotations

import codecs
import json
import os
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from dagster_project.vendors.canonical import Cells, Defect

LONGEST_ROW = 16 << 20
"""Characters of a row; one that is longer is none, and must not fill the memory."""
CHUNK_CHARACTERS = 1 << 16
BLOCK_BYTES = 12 << 20
CUT = "\udcff"
"""Follows a last line without a break. No text in UTF-8 has it."""
_TELLING = re.compile(r'\\.|["{}\[\]]', re.DOTALL)
CUT_ROW = Defect(
    "cut_row",
    "the file breaks off within this row, as if half written: deliver the whole file again; "
    "the rows that came whole count once.",
)
NOT_JSON = Defect("not_json", "this line is not JSON: write one object a line, each field once.")
NOT_AN_OBJECT = Defect("not_an_object", 'this line is JSON, but not an object: write {"task_id": …, …}.')
TOO_LONG = Defect("row_too_long", "this row has more than 16 million characters: no annotation is that long.")


@dataclass(frozen=True)
class LineBlock:
    """Some lines of a file with their breaks: ``count`` of them, from number ``first`` on."""

    first: int
    count: int
    content: bytes

    def lines(self) -> list[str]:
        """Return the lines without their breaks; a last one without a break ends in ``CUT``."""
        *lines, last = self.content.decode(errors="surrogateescape").split("\n")
        return [*lines, last + CUT] if last else lines


def read_jsonl(path: Path, _required: Collection[str] = ()) -> Iterator[tuple[int, Cells | Defect]]:
    """Yield each line's number and object; blank lines are passed over, but counted."""
    for block in line_blocks(path):
        for number, line in enumerate(block.lines(), start=block.first):
            if line.strip():
                yield number, read_line(line)


def open_text(path: Path) -> TextIO:
    """Open a delivery in UTF-8; the end of one that breaks off within a character can be read too."""
    return path.open(encoding="utf-8-sig", errors="surrogateescape", newline="\n")


def line_blocks(path: Path) -> Iterator[LineBlock]:
    """Yield the lines of a file some megabytes at a time.

    A last line without a break comes by itself. Of one that is too long only the beginning is kept.
    """
    first = 1
    with path.open("rb") as file:
        if file.read(3) != codecs.BOM_UTF8:
            file.seek(0)
        while content := _next_lines(file):
            count = content.count(b"\n") or 1
            yield LineBlock(first, count, content)
            first += count


def _next_lines(file: BinaryIO) -> bytes:
    content = file.read(BLOCK_BYTES)
    if end := content.rfind(b"\n") + 1:
        file.seek(end - len(content), os.SEEK_CUR)
        return content[:end]
    rest = file.readline(LONGEST_ROW)
    content += rest
    while rest and not rest.endswith(b"\n"):
        rest = file.readline(LONGEST_ROW)
    return content


def read_line(line: str) -> Cells | Defect:
    """Return the object of a line, or what is wrong with it."""
    if len(line) >= LONGEST_ROW:
        return TOO_LONG
    try:
        content = _loads(line.removesuffix(CUT))
    except (ValueError, RecursionError):
        return CUT_ROW if line.endswith(CUT) else NOT_JSON
    return content if isinstance(content, dict) else NOT_AN_OBJECT


def read_json_list(path: Path, _required: Collection[str] = ()) -> Iterator[tuple[int, Cells | Defect]]:
    """Yield each element of a list of objects, from 1; memory holds one at a time."""
    with open_text(path) as file:
        for number, text in enumerate(_elements(file), start=1):
            yield number, text if isinstance(text, Defect) else read_line(text)


def _elements(file: TextIO) -> Iterator[str | Defect]:
    """Yield the text of each element of a list of objects."""
    brackets, element, size = _Brackets(), [""], 0
    while chunk := file.read(CHUNK_CHARACTERS):
        start = 0
        for end in brackets.ends(chunk):
            yield "".join([*element, chunk[start:end]]).lstrip("[, \t\r\n")
            element, size, start = [""], 0, end
        element.append(chunk[start:])
        size += len(chunk) - start
        if size > LONGEST_ROW:
            yield TOO_LONG
            return
    if brackets.depth > 0:
        yield CUT_ROW


@dataclass
class _Brackets:
    """How deep within a list a text is, and whether within a string of it."""

    depth: int = 0
    quoted: bool = False
    escaped: bool = False

    def ends(self, chunk: str) -> Iterator[int]:
        """Yield where, in the next stretch of the text, elements of the outermost list end."""
        for found in _TELLING.finditer(chunk, 1 if self.escaped else 0):
            sign = found[0]
            if sign == '"':
                self.quoted = not self.quoted
            elif not self.quoted and sign in "{[":
                self.depth += 1
            elif not self.quoted and sign in "}]":
                self.depth -= 1
                if self.depth == 1:
                    yield found.end()
        self.escaped = _ends_in_escape(chunk, self.escaped)


def _ends_in_escape(chunk: str, escaped: bool) -> bool:
    """Say whether the next sign is escaped; outside of strings no backslash may stand anyway."""
    backslashes = len(chunk) - len(chunk.rstrip("\\"))
    return (backslashes - (escaped and backslashes == len(chunk))) % 2 == 1


def _loads(line: str) -> Any:
    content = json.loads(line, object_pairs_hook=_each_key_once, parse_constant=_refuse)
    if "\\u" in line:
        json.dumps(content, ensure_ascii=False).encode()  # half a surrogate pair is no character
    return content


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        raise ValueError("a field stands there twice")
    return content


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
