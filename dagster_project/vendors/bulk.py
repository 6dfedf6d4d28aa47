"""Many lines of JSON at once: those that are beyond doubt, column by column.

A million rows one by one take a minute, and nearly all of them are as they should be. A line is taken here only if
it has the very shape of a good row: the same fields in the same order as the lines around it, each once, with values
that can be read in one way. Whatever is otherwise is left to `canonical`, which alone says what is wrong; so
this module decides nothing, and a test holds the two to the same rows.
Belongs here: that shape, and the columns. Does not belong here: any rule of its own.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cached_property

import polars as pl

from dagster_project.vendors.canonical import Demands
from dagster_project.vendors.identities import Pseudonyms

SHORTEST_TELLING_ID = 4
"""A worker's id of fewer characters is not looked for in texts: it would be found by chance."""
_ID = r'"[!#-\[\]-~]+(?: [!#-\[\]-~]+)*"'
_TEXT = r'(?:null|"(?:[^"\\\x00-\x1f]|\\["\\/bfnrt])*")'
_INTEGER = r"(?:null|-?(?:0|[1-9][0-9]{0,3}))"
_MOMENT = (
    r'"20[0-9]{2}-[01][0-9]-[0-3][0-9]T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?'
    r'(?:Z|[+-](?:0[0-9]|1[0-4]):[0-5][0-9])"'
)
_SHAPES: dict[str, tuple[str, pl.DataType]] = {
    "task_id": (_ID, pl.String()),
    "response_id": (_ID, pl.String()),
    "annotator": (_ID, pl.String()),
    "submitted_at": (_MOMENT, pl.String()),
    "flags": (r"(?:null|\[\])", pl.List(pl.String())),
    "preference": (_INTEGER, pl.Int64()),
    "justification": (_TEXT, pl.String()),
    "revision": (_INTEGER, pl.Int64()),
    "withdrawn": (r"(?:null|true|false)", pl.Boolean()),
    "round": (_INTEGER, pl.Int64()),
    "guideline_version": (rf"(?:null|{_ID})", pl.String()),
    "seconds": (r"(?:null|(?:0|[1-9][0-9]{0,6})(?:\.[0-9]{1,9})?)", pl.Float64()),
    "simulated": (r"(?:null|true|false)", pl.Boolean()),
}
_OTHER = r'(?:null|true|false|-?[0-9]+(?:\.[0-9]+)?|"(?:[^"\\\x00-\x1f]|\\["\\/bfnrt])*")'
_DEFAULTS = {"revision": 1, "withdrawn": False, "round": 1, "simulated": False}
_NEEDED = {"task_id", "response_id", "annotator", "submitted_at"}
LONGEST_ID = 256


@dataclass(frozen=True)
class Bulk:
    """What lines are held against: each task's responses, and the demands of the campaigns."""

    pseudonyms: Pseudonyms
    demands: dict[str, Demands]
    tasks: pl.DataFrame

    def accept(self, block: bytes) -> tuple[pl.DataFrame, list[str]] | None:
        """Return the lines beyond doubt as columns of `deliveries`, and the names of their fields.

        ``place`` counts the block's lines from 0; ``worker`` is the vendor's id. None if no line looks like a row.
        """
        names = self._names(block)
        takers = [
            demands
            for demands in self.demands.values()
            if not demands.closed and set(demands.rubric.names) <= set(names)
        ]
        if not takers or not block.endswith(b"\n"):
            return None
        lines = pl.Series([block[:-1].decode()]).str.split("\n").explode()
        alike = lines.str.contains(self._shape(names))
        sure = block if alike.all() else "\n".join(lines.filter(alike).to_list()).encode()
        rows = self._parsed(sure, names).with_columns(place=alike.arg_true())
        known = self._known.filter(pl.col("task_id").is_in(rows["task_id"].unique().implode()))
        rows = rows.join(known, on=["task_id", "response_id"], how="inner", maintain_order="left")
        return pl.concat([self._good(rows, demands) for demands in takers]).sort("place"), names

    @cached_property
    def _known(self) -> pl.DataFrame:
        responses = pl.len().over("task_id").alias("responses")
        return self.tasks.select("campaign", "task_id", "response_id", responses)

    @cached_property
    def _attributes(self) -> set[str]:
        return {name for demands in self.demands.values() for name in demands.rubric.names}

    def _names(self, block: bytes) -> list[str]:
        """Return the fields of the first line, in their order; none if it is no row of ratings."""
        try:
            content = json.loads(block.lstrip().partition(b"\n")[0])
        except (ValueError, RecursionError):
            return []
        return list(content) if isinstance(content, dict) and content.keys() >= _NEEDED else []

    def _shape(self, names: list[str]) -> str:
        """Return the expression that a line beyond doubt fits from end to end."""
        fields = [rf"{re.escape(json.dumps(name, ensure_ascii=False))}:\s?{self._value(name)}" for name in names]
        return r"^\{" + r",\s?".join(fields) + r"\}[ \r]*$"

    def _value(self, name: str) -> str:
        if name in _SHAPES:
            return _SHAPES[name][0]
        return _INTEGER if name in self._attributes else _OTHER

    def _parsed(self, lines: bytes, names: list[str]) -> pl.DataFrame:
        schema = {name: kind for name, (_, kind) in _SHAPES.items() if name in names}
        schema |= {name: pl.Int64() for name in self._attributes.intersection(names)}
        rows = pl.read_ndjson(lines, schema=schema) if lines else pl.DataFrame(schema=schema)
        absent = [pl.lit(None, dtype=kind).alias(name) for name, (_, kind) in _SHAPES.items() if name not in names]
        return rows.with_columns(*absent).with_columns(
            **{name: pl.col(name).fill_null(value) for name, value in _DEFAULTS.items()}
        )

    def _good(self, rows: pl.DataFrame, demands: Demands) -> pl.DataFrame:
        """Return one campaign's rows that keep all its rules, as columns of `deliveries`."""
        rubric = demands.rubric
        lowest, highest = rubric.scale.lowest, rubric.scale.highest
        rows = rows.filter(pl.col("campaign") == demands.campaign)
        rows = rows.with_columns(
            submitted_at=pl.col("submitted_at")
            .str.replace(r"Z$", "+00:00")
            .str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%:z", time_unit="us", time_zone="UTC", strict=False)
        )
        on_scale = [pl.col(name).is_null() | pl.col(name).is_between(lowest, highest) for name in rubric.names]
        told = pl.col("justification").is_null() | pl.col("justification").str.contains("[!-~]")
        names_worker = (pl.col("annotator").str.len_chars() >= SHORTEST_TELLING_ID) & pl.col("justification").fill_null(
            ""
        ).str.contains(pl.col("annotator"), literal=True)
        preference = pl.col("preference")
        asked = (pl.col("responses") > 1) & rubric.preference & (preference != 0) & preference.is_between(-3, 3)
        good = rows.filter(
            *on_scale,
            told,
            ~names_worker,
            preference.is_null() | asked,
            pl.col("submitted_at").is_not_null(),
            pl.col("revision") >= 1,
            pl.col("round").is_between(1, 127),
            pl.max_horizontal(pl.col("annotator", "task_id", "response_id").str.len_chars()) <= LONGEST_ID,
            pl.col("simulated") | (not demands.simulated),
        )
        return self._columns(good, demands)

    def _columns(self, rows: pl.DataFrame, demands: Demands) -> pl.DataFrame:
        workers = rows["annotator"].unique().to_list()
        pseudonyms = {worker: self.pseudonyms.pseudonym(worker) for worker in workers}
        scores = [pl.col(name).cast(pl.Int8) for name in demands.rubric.names]
        return rows.select(
            "place",
            "task_id",
            "response_id",
            "submitted_at",
            "justification",
            "withdrawn",
            pl.lit(demands.campaign).alias("campaign"),
            pl.lit(demands.vendor).alias("vendor"),
            pl.col("annotator").alias("worker"),
            pl.col("annotator").replace_strict(pseudonyms, return_dtype=pl.String),
            pl.concat_list(scores).alias("scores"),
            pl.lit([], dtype=pl.List(pl.String)).alias("flags"),
            pl.col("preference").cast(pl.Int8),
            pl.col("revision").cast(pl.Int32),
            pl.col("round").cast(pl.Int8),
            pl.col("guideline_version").fill_null(demands.guideline_version),
            pl.col("seconds").cast(pl.Float32),
            pl.col("simulated") | demands.simulated,
        )
