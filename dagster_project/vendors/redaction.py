"""What a quarantined row said, without anybody's name.

Belongs here: which of a row's values may be shown. Where columns have shifted, any cell may hold a worker's id, an
e-mail address or a name, and nothing tells which; so a value is shown only if it cannot be one.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from dagster_project.identity import canonical_json

LONGEST = 500
NAMELESS = re.compile(
    r"[+-]?[0-9]([.,][0-9]{1,2})?|[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9:.]{5,15}([+-][0-9:]{5}|Z)?)?|true|false|n/?a",
    re.IGNORECASE,
)
"""A number of one digit, a time, yes or no, nothing: what no worker is called."""


def without_identities(cells: Mapping[str, Any], fields: Collection[str], known: Collection[str]) -> str:
    """Return a row as JSON; what might be a name is replaced by its length.

    Args:
        cells: the row.
        fields: names that fields may have.
        known: ids and flags of this task, which name nobody.
    """
    shown = {name if name in fields else _veil(name): _value(value, name, known) for name, value in cells.items()}
    return canonical_json(shown)[:LONGEST]


def _value(value: Any, name: str, known: Collection[str]) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, list):
        return [_value(part, name, known) for part in value]
    text = str(value).strip()
    if name != "annotator" and (not text or text in known or NAMELESS.fullmatch(text)):
        return value
    return _veil(text)


def _veil(text: str) -> str:
    return f"‹{len(text)} characters›"
