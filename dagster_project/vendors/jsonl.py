"""Deliveries as JSON Lines: one object a line, in UTF-8.

Belongs here: cutting a file into objects. Does not belong here: what an object must hold (`canonical`).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from dagster_project.vendors.canonical import Cells, Defect

CUT_ROW = Defect(
    "cut_row",
    "the file breaks off within this row, as if half written: deliver the whole file again; "
    "the rows that came whole count once.",
)
NOT_JSON = Defect("not_json", "this line is not JSON: write one object a line, each field once.")
NOT_AN_OBJECT = Defect("not_an_object", 'this line is JSON, but not an object: write {"task_id": …, …}.')


def read_jsonl(path: Path, _required: Collection[str] = ()) -> Iterator[tuple[int, Cells | Defect]]:
    """Yield each line's number and object; blank lines are passed over, but counted."""
    with path.open(encoding="utf-8-sig", newline="\n") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield number, _read_line(line)


def _read_line(line: str) -> Cells | Defect:
    try:
        content = json.loads(line, object_pairs_hook=_each_key_once, parse_constant=_refuse)
        if "\\u" in line:
            json.dumps(content, ensure_ascii=False).encode()  # half a surrogate pair is no character
    except (ValueError, RecursionError):
        return NOT_JSON if line.endswith("\n") else CUT_ROW
    return content if isinstance(content, dict) else NOT_AN_OBJECT


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        raise ValueError("a field stands there twice")
    return content


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
