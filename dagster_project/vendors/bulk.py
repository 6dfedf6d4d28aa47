"""Many lines of JSON at once: those that are beyond doubt, column by column.

A million rows one by one take a minute, and nearly all of them are as they should be. Here lines are read by a parser
that is as strict as `jsonl`, into columns of one kind each: a block of nothing but such objects is read whole;
of another one, those lines that have the very shape of a good row. Whatever is otherwise is left to `canonical`, which
alone says what is wrong; so this module decides nothing, and a test holds the two to the same rows.
Belongs here: that shape, and the columns. Does not belong here: any rule of its own.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import polars as pl
import pyarrow as pa

from dagster_project.vendors.canonical import Demands, is_worker_id
from dagster_project.vendors.identities import Pseudonyms
from dagster_project.vendors.jsonl import LineBlock

SHORTEST_TELLING_ID = 4
"""A worker's id of fewer characters is not looked for in texts: it would be found by chance."""
_MOMENT = (
    r"^20[0-9]{2}-[01][0-9]-[0-3][0-9]T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?"
    r"(?:Z|[+-](?:0[0-9]|1[0-4]):[0-5][0-9])$"
)
_TEXT = r'"(?:[^"\\\x00-\x1f]|\\["\\/bfnrt])*"'
_INTEGER = r"(?:null|-?(?:0|[1-9][0-9]{0,3}))"
_FLAG = r"(?:null|true|false)"
_NUMBER = r"(?:null|(?:0|[1-9][0-9]{0,6})(?:\.[0-9]{1,9})?)"
_SHAPES: dict[str, tuple[str, pa.DataType]] = {
    "task_id": (_TEXT, pa.string()),
    "response_id": (_TEXT, pa.string()),
    "annotator": (_TEXT, pa.string()),
    "submitted_at": (_TEXT, pa.string()),
    "flags": (r"(?:null|\[\])", pa.list_(pa.string())),
    "preference": (_INTEGER, pa.int64()),
    "justification": (rf"(?:null|{_TEXT})", pa.string()),
    "revision": (_INTEGER, pa.int64()),
    "withdrawn": (_FLAG, pa.bool_()),
    "round": (_INTEGER, pa.int64()),
    "guideline_version": (rf"(?:null|{_TEXT})", pa.string()),
    "seconds": (_NUMBER, pa.float64()),
    "simulated": (_FLAG, pa.bool_()),
}
_OTHER = rf"(?:null|true|false|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?|{_TEXT})"
_DEFAULTS = {"revision": 1, "withdrawn": False, "round": 1, "simulated": False}
_KEY = (pl.col("task_id").hash(1) ^ pl.col("response_id").hash(2)).alias("key")
_NEEDED = {"task_id", "response_id", "annotator", "submitted_at"}


@dataclass(frozen=True)
class Sure:
    """Lines beyond doubt.

    ``rows`` are columns of `deliveries`, one frame for each campaign, with ``place``, which counts the block's lines
    from 0, and ``worker``, the vendor's own id. ``fields`` are the names of all fields in them.
    """

    rows: list[pl.DataFrame]
    fields: set[str]


@dataclass(frozen=True)
class _Read:
    """Lines as columns with their ``place``, and the ratings that none of them is without."""

    rows: pl.DataFrame
    fields: set[str]
    rated: set[str]


@dataclass(frozen=True)
class Bulk:
    """What lines are held against: each task's responses, and the demands of the campaigns."""

    pseudonyms: Pseudonyms
    demands: dict[str, Demands]
    tasks: pl.DataFrame
    _known_workers: dict[str, str | None] = field(default_factory=dict)

    def accept(self, block: LineBlock) -> Sure | None:
        """Return the lines beyond doubt; None if no line looks like a row."""
        takers = [demands for demands in self.demands.values() if not demands.closed]
        found = (self._whole(block) or self._alike(block)) if takers and block.content.endswith(b"\n") else None
        if found is None:
            return None
        rows = self._of_known_responses(found.rows)
        good = [self._good(rows, demands, found.rated) for demands in takers]
        return Sure([frame for frame in good if frame.height], found.fields)

    def _of_known_responses(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return the rows of responses that were sent out, with their campaign; one number is found before two ids."""
        keys = self._known["key"]
        if keys.is_empty():
            return rows.head(0).with_columns(campaign=pl.lit(""), responses=pl.lit(0))
        places = keys.search_sorted(rows.select(_KEY)["key"], side="left").clip(0, len(keys) - 1)
        known = self._known.drop("key")[places]
        same = [rows[name] == known[name] for name in ("task_id", "response_id")]
        return rows.hstack(known.select("campaign", "responses")).filter(*same)

    @cached_property
    def _known(self) -> pl.DataFrame:
        responses = pl.len().over("task_id").alias("responses")
        # sorted once: a join would make an index of all tasks for each block of lines
        return self.tasks.select("campaign", "task_id", "response_id", responses, _KEY).sort("key", maintain_order=True)

    @cached_property
    def _attributes(self) -> set[str]:
        return {name for demands in self.demands.values() for name in demands.rubric.names}

    @cached_property
    def _schema(self) -> pa.Schema:
        kinds = {name: kind for name, (_, kind) in _SHAPES.items()} | dict.fromkeys(self._attributes, pa.int64())
        return pa.schema(list(kinds.items()))

    def _whole(self, block: LineBlock) -> _Read | None:
        """Return all lines; None if one of them is no plain object.

        No object runs over two lines where each ends as one, and begins as the first, and there are as many objects.
        """
        content, count = block.content, block.count
        begin = content[: content.find(b":")]
        if not (begin.startswith(b"{") and content.endswith(b"}\n") and content.count(b"}\n" + begin) == count - 1):
            return None
        table = self._table(content, "infer")
        if table is None or table.num_rows != count or not _is_plain(table):
            return None
        # a quote within a text is escaped, so that what looks like a field's name is one
        rated = {
            name
            for name in self._attributes
            if not table[name].null_count or content.count(f'"{name}":'.encode()) == count
        }
        return _Read(self._rows(table).with_row_index("place"), set(table.column_names), rated)

    def _alike(self, block: LineBlock) -> _Read | None:
        """Return the lines that have the fields of the first one, in the same order and with plain values."""
        fields = _first_fields(block.content)
        if not _NEEDED.issubset(fields):
            return None
        lines = pl.Series([block.content[:-1].decode()]).str.split("\n").explode()
        alike = lines.str.contains(self._shape(fields))
        table = self._table("\n".join(lines.filter(alike).to_list()).encode(), "ignore") if alike.any() else None
        if table is None:
            return None
        return _Read(self._rows(table).with_columns(place=alike.arg_true()), set(fields), set(fields))

    def _shape(self, fields: list[str]) -> str:
        """Return the expression that a line beyond doubt fits from end to end."""
        told = [rf"{re.escape(json.dumps(name, ensure_ascii=False))}:\s?{self._value(name)}" for name in fields]
        return r"^\{" + r",\s?".join(told) + r"\}[ \r]*$"

    def _value(self, name: str) -> str:
        if name in _SHAPES:
            return _SHAPES[name][0]
        return _INTEGER if name in self._attributes else _OTHER

    def _table(self, lines: bytes, strangers: Literal["infer", "ignore"]) -> pa.Table | None:
        """Return lines as columns; None if a line is no object, or a field is of another kind or there twice."""
        import pyarrow.json as pj  # noqa: PLC0415 - few vendors' rows are read in bulk

        parsing = pj.ParseOptions(explicit_schema=self._schema, unexpected_field_behavior=strangers)
        try:
            reading = pj.ReadOptions(use_threads=False, block_size=len(lines) + 1)
            return pj.read_json(pa.BufferReader(lines), reading, parsing)
        except pa.ArrowException:
            return None

    def _rows(self, table: pa.Table) -> pl.DataFrame:
        rows = pl.DataFrame(table.select(self._schema.names))
        return rows.with_columns(pl.col(name).fill_null(value) for name, value in _DEFAULTS.items())

    def _good(self, rows: pl.DataFrame, demands: Demands, rated: set[str]) -> pl.DataFrame:
        """Return one campaign's rows that keep all its rules, as columns of `deliveries`."""
        scores, scale = pl.col(*demands.rubric.names), demands.rubric.scale
        named = pl.col("annotator").str.len_chars() >= SHORTEST_TELLING_ID
        words, preference = pl.col("justification"), pl.col("preference")
        asked = (pl.col("responses") > 1) & demands.rubric.preference & (preference != 0)
        good = rows.filter(
            pl.col("campaign") == demands.campaign,
            *(pl.col(name).is_not_null() for name in demands.rubric.names if name not in rated),
            pl.all_horizontal(scores.is_null() | scores.is_between(scale.lowest, scale.highest)),
            pl.col("flags").list.len().fill_null(0) == 0,
            pl.col("guideline_version", "justification").is_null()
            | pl.col("guideline_version", "justification").str.contains("[!-~]"),
            words.is_null() | ~(named & words.str.contains(pl.col("annotator"), literal=True)),
            preference.is_null() | (asked & preference.is_between(-3, 3)),
            pl.col("submitted_at").str.contains(_MOMENT),
            pl.col("submitted_at").str.head(10).str.to_date("%Y-%m-%d", strict=False).is_not_null(),
            pl.col("revision").is_between(1, 2**31 - 1),
            pl.col("round").is_between(1, 127),
            pl.col("seconds").is_null() | pl.col("seconds").is_between(0, 1e9),
            pl.col("simulated") | (not demands.simulated),
        )
        return self._columns(good, demands)

    def _columns(self, rows: pl.DataFrame, demands: Demands) -> pl.DataFrame:
        moments = rows["submitted_at"].to_arrow().cast(pa.timestamp("us", "UTC"))
        return rows.select(
            "place",
            "task_id",
            "response_id",
            "justification",
            "withdrawn",
            pl.Series("submitted_at", moments),
            pl.lit(demands.campaign).alias("campaign"),
            pl.lit(demands.vendor).alias("vendor"),
            pl.col("annotator").alias("worker"),
            pl.col("annotator").replace_strict(self._pseudonyms(rows), default=None, return_dtype=pl.String),
            # an array first: a list of columns is put together ten times slower
            pl.concat_arr(pl.col(*demands.rubric.names).cast(pl.Int8)).arr.to_list().alias("scores"),
            pl.lit([], dtype=pl.List(pl.String)).alias("flags"),
            pl.col("preference").cast(pl.Int8),
            pl.col("revision").cast(pl.Int32),
            pl.col("round").cast(pl.Int8),
            pl.col("guideline_version").fill_null(demands.guideline_version),
            pl.col("seconds").cast(pl.Float32),
            pl.col("simulated") | demands.simulated,
        ).drop_nulls("annotator")

    def _pseudonyms(self, rows: pl.DataFrame) -> dict[str, str | None]:
        """Return the pseudonym of each worker whose id needs no cleaning; None of the others."""
        workers = rows["annotator"].unique().to_list()
        for worker in workers:
            if worker not in self._known_workers:
                named = self.pseudonyms.pseudonym(worker) if is_worker_id(worker) else None
                self._known_workers[worker] = named
        return {worker: self._known_workers[worker] for worker in workers}


def _is_plain(table: pa.Table) -> bool:
    """Say whether fields that no rule knows hold no objects, and numbers are numbers: the parser lets NaN pass."""
    for name, kind in zip(table.column_names, table.schema.types, strict=True):
        if pa.types.is_floating(kind) and not pl.Series(name, table[name]).is_finite().all():
            return False
        if name != "flags" and pa.types.is_nested(kind):
            return False
    return True


def _first_fields(block: bytes) -> list[str]:
    """Return the fields of the first line, in their order; none if it is no object."""
    try:
        content = json.loads(block.lstrip().partition(b"\n")[0])
    except (ValueError, RecursionError):
        return []
    return list(content) if isinstance(content, dict) else []
