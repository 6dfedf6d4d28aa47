"""The types of the lake's columns: what Parquet files hold, by the names that Arrow and DuckDB know them by.

Belongs here: the few types that tables are made of. Does not belong here: which column has which (`catalogue`).

They are the lake's own, and Arrow's are made of them when rows are written: whoever only asks which tables and columns
there are need not wait for Arrow, which takes longer to load than DuckDB takes to answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Scalar:
    """A single value. Its text is Arrow's name for it; ``sql`` is DuckDB's."""

    name: str
    sql: str

    def __str__(self) -> str:
        return self.name

    @property
    def arrow(self) -> pa.DataType:
        """The same type in Arrow."""
        import pyarrow as pa  # noqa: PLC0415 - loads slowly

        return pa.timestamp("us", tz="UTC") if self == TIME else pa.type_for_alias(self.name)


@dataclass(frozen=True)
class Struct:
    """Named values, in order."""

    fields: tuple[tuple[str, Scalar], ...]

    def __str__(self) -> str:
        return "struct<" + ", ".join(f"{name}: {kind}" for name, kind in self.fields) + ">"

    @property
    def sql(self) -> str:
        """The same type in DuckDB."""
        return "struct(" + ", ".join(f'"{name}" {kind.sql}' for name, kind in self.fields) + ")"

    @property
    def arrow(self) -> pa.DataType:
        """The same type in Arrow."""
        import pyarrow as pa  # noqa: PLC0415 - loads slowly

        return pa.struct([(name, kind.arrow) for name, kind in self.fields])


@dataclass(frozen=True)
class ListOf:
    """Any number of values of one type, in order."""

    item: Scalar | Struct

    def __str__(self) -> str:
        return f"list<item: {self.item}>"

    @property
    def sql(self) -> str:
        """The same type in DuckDB."""
        return f"{self.item.sql}[]"

    @property
    def arrow(self) -> pa.DataType:
        """The same type in Arrow."""
        import pyarrow as pa  # noqa: PLC0415 - loads slowly

        return pa.list_(self.item.arrow)


Type: TypeAlias = Scalar | Struct | ListOf

BOOL = Scalar("bool", "boolean")
INT8 = Scalar("int8", "tinyint")
INT16 = Scalar("int16", "smallint")
INT32 = Scalar("int32", "integer")
INT64 = Scalar("int64", "bigint")
FLOAT32 = Scalar("float", "float")
FLOAT64 = Scalar("double", "double")
STRING = Scalar("string", "varchar")
BINARY = Scalar("binary", "blob")
TIME = Scalar("timestamp[us, tz=UTC]", "timestamptz")
"""A moment, in microseconds."""
SCORES = ListOf(INT8)
"""Ratings in the rubric's order."""
MESSAGES = ListOf(Struct((("role", STRING), ("content", STRING))))
"""A conversation."""
PREFERENCES = ListOf(Struct((("annotator", STRING), ("strength", INT8), ("justification", STRING), ("retained", BOOL))))
