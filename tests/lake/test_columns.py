"""Columns of Python values are what Arrow's own conversion makes of them."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagster_project.lake.columns import column

TIME = pa.timestamp("us", "UTC")
WHOLE = {pa.int16(): 1 << 15, pa.int32(): 1 << 31, pa.int64(): 1 << 63}
VALUES: dict[pa.DataType, st.SearchStrategy[Any]] = {
    pa.string(): st.text(),
    pa.bool_(): st.booleans(),
    pa.float64(): st.floats(allow_nan=False),
    **{kind: st.integers(-limit, limit - 1) for kind, limit in WHOLE.items()},
}


@pytest.mark.parametrize("kind", VALUES, ids=str)
def test_values_and_nulls_come_back(kind: pa.DataType) -> None:
    @given(st.lists(st.none() | VALUES[kind]))
    def comes_back(values: list[Any]) -> None:
        made = column(values, kind)
        made.validate(full=True)
        assert made.equals(pa.array(values, kind))

    comes_back()


@given(st.lists(st.none() | st.datetimes(timezones=st.just(UTC))))
def test_times_come_back(times: list[datetime | None]) -> None:
    made = column([time and time.isoformat() for time in times], TIME)
    made.validate(full=True)
    assert made.to_pylist() == times


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (1, pa.string()),
        ("1", pa.int32()),
        (True, pa.int32()),
        ("false", pa.bool_()),
        (0, pa.bool_()),
        (1.5, pa.int16()),
        ("1.5", pa.float64()),
        (1 << 15, pa.int16()),
        ("today", TIME),
        ("2026-11-28T12:00:00", TIME),  # of which zone?
        (3, TIME),
    ],
)
def test_what_a_column_does_not_take_is_refused(value: object, kind: pa.DataType) -> None:
    with pytest.raises((TypeError, ValueError, OverflowError)):
        column([None, value], kind)


def test_nothing_slow_is_loaded() -> None:
    program = (
        "import sys, pyarrow as pa; from dagster_project.lake.columns import column; column(['a', None], pa.string());"
        "sys.exit(bool({'pandas', 'pyarrow.compute'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
