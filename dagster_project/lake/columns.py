"""Arrow columns of Python values, written as Arrow lays them out in memory.

Arrow's own conversion loads pandas first, which takes longer than a small cell is asked for; reading JSON lines takes
three times as long a row. Belongs here: values of one column. Does not belong here: which columns there are.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Any

import pyarrow as pa

_TIME, _UNIT, _BEGIN = pa.timestamp("us", "UTC"), timedelta(microseconds=1), datetime.fromtimestamp(0, UTC)
_CODES = {pa.int16(): "h", pa.int32(): "i", pa.int64(): "q", pa.float64(): "d", _TIME: "q"}
"""The same numbers as the standard library's arrays have them."""
_TYPES: dict[pa.DataType, tuple[type, ...]] = {
    pa.string(): (str,),
    pa.bool_(): (bool,),
    pa.float64(): (float, int),
    **dict.fromkeys((pa.int16(), pa.int32(), pa.int64()), (int,)),
    _TIME: (str,),
}


def column(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """Return values as a column of text, whole numbers, floats, booleans or times; None is a null.

    A time is given as its text in ISO 8601, with its offset.

    Raises:
        TypeError: a value is of another kind.
        OverflowError: a whole number is too large for its kind.
        ValueError: a text is no time.
    """
    taken = _TYPES[kind]  # once: Arrow's types are slow to be told apart
    if odd := [value for value in values if value is not None and type(value) not in taken]:
        raise TypeError(f"{odd[0]!r} is no {kind}")
    content = _texts(values) if kind == pa.string() else [_numbers(values, kind)]
    nulls = values.count(None)
    present = pa.py_buffer(_bits(value is not None for value in values)) if nulls else None
    return pa.Array.from_buffers(kind, len(values), [present, *content], nulls)


def _texts(values: Sequence[str | None]) -> list[pa.Buffer]:
    """Return where each text ends, and all of them together."""
    encoded = [b"" if value is None else str.encode(value) for value in values]
    ends = array("i", accumulate(map(len, encoded), initial=0))
    return [pa.py_buffer(ends), pa.py_buffer(b"".join(encoded))]


def _numbers(values: Sequence[Any], kind: pa.DataType) -> pa.Buffer:
    if kind == pa.bool_():
        return pa.py_buffer(_bits(values))
    if kind == _TIME:
        values = [None if value is None else _microseconds(value) for value in values]
    return pa.py_buffer(array(_CODES[kind], [0 if value is None else value for value in values]))


def _microseconds(time: str) -> int:
    told = datetime.fromisoformat(time)
    if told.tzinfo is None:
        raise ValueError(f"{time!r} does not say in which time zone")
    return (told - _BEGIN) // _UNIT


def _bits(flags: Iterable[object]) -> bytes:
    """Return flags as bits, the first one lowest."""
    digits = "".join(["1" if flag else "0" for flag in flags])
    return int("0" + digits[::-1], 2).to_bytes((len(digits) + 7) // 8, "little")
