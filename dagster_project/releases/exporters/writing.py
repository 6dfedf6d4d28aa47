"""Writing the exports of a release, slice by slice, from its own Parquet files.

Belongs here: the order of work and the bytes of files. Does not belong here: which rows there are (``sql/exports``).

Memory holds one slice at a time, once for each file that it goes to. A slice never parts the two responses of a task:
tasks of two come first in a file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from dagster_project.lake import Session
from dagster_project.lake.parquet import streaming_parquet
from dagster_project.releases.exporters.formats import Format, formats_of, label_names
from dagster_project.releases.side_by_side import SideBySide
from dagster_project.releases.splits import SPLITS, Split
from dagster_project.settings import ReleaseSpec, Rubric
from dagster_project.whole_files import replacing

SLICE_ROWS = 16_384


@dataclass
class Exported:
    """What was written in one format: rows by path, ties, and the tasks that it cannot have, by reason."""

    format: Format
    rows: Counter[str] = field(default_factory=Counter)
    ties: int = 0
    left_out: Counter[str] = field(default_factory=Counter)


class _Sink(Protocol):
    """A file of a format: its rows of a slice, and writing them."""

    def rows(self, session: Session, parameters: Mapping[str, Any]) -> pa.Table: ...

    def write(self, rows: pa.Table) -> None: ...


def write_exports(folder: Path, spec: ReleaseSpec, rubric: Rubric) -> list[Exported]:
    """Write the exports that a release asks for, from the tables in its folder.

    Returns:
        What was written, a format each, in the order of `FORMATS`.
    """
    exported = [Exported(kind) for kind in formats_of(spec.exports)]
    if not exported:
        return []
    parameters = _parameters(folder, spec, rubric)
    with Session() as session, ExitStack() as files:
        sinks = {
            path: files.enter_context(_sink(folder / path, export.format, rubric))
            for export in exported
            for path in (export.format.path(split) for split in SPLITS)
        }
        written = files.enter_context(SideBySide())
        for split in SPLITS:
            _open_split(session, folder, split, rubric)
            for rows in _slices(folder / "data" / f"{split}.parquet", rubric):
                _open_slice(session, rows, rubric, parameters)
                _export_slice(session, sinks, written, exported, {**parameters, "split": split})
    return exported


def _parameters(folder: Path, spec: ReleaseSpec, rubric: Rubric) -> dict[str, Any]:
    preferences = [folder / "preference" / f"{split}.parquet" for split in SPLITS]
    places = {name: place for place, name in enumerate(rubric.names, start=1)}
    return {
        "pairs_by_preference": any(pq.read_metadata(path).num_rows for path in preferences),
        "deciding": places[rubric.deciding[0]],
        "label_places": [places.get(name) for name in label_names(rubric.names)],
        "language": spec.languages[0] if len(spec.languages) == 1 else "unknown",
    }


def _open_split(session: Session, folder: Path, split: Split, rubric: Rubric) -> None:
    """Give the session all of a split but the long texts, which come slice by slice."""
    relations = {
        "preferences_given": "task_id, preference_strength as strength, preference_statement as statement, "
        f"all_preferences from {_parquet(folder / 'preference' / f'{split}.parquet')}",
        "task_notes": f"task_id, preference_reason from {_parquet(folder / 'provenance' / 'tasks.parquet')}",
        "annotations_given": f"task_id, response_id, annotator, stage, {_scores(rubric)} as scores "
        f"from {_parquet(folder / 'annotations' / f'{split}.parquet')}",
    }
    for name, columns in relations.items():
        session.connection.execute(f"create or replace temp view {name} as select {columns}")


def _parquet(path: Path) -> str:
    return "read_parquet('" + str(path).replace("'", "''") + "', hive_partitioning = false)"


def _scores(rubric: Rubric) -> str:
    return "[" + ", ".join(f'"{name}"' for name in rubric.names) + "]"


def _slices(path: Path, rubric: Rubric) -> Iterator[pa.Table]:
    """Give the rated responses of a file, some at a time, with their place in it; an empty file is an empty slice."""
    names = ["task_id", "response_id", "prompt", "messages", "response", *rubric.names]
    file = pq.ParquetFile(path)
    place = 0
    if not file.metadata.num_rows:
        yield _placed(pa.schema([file.schema_arrow.field(name) for name in names]).empty_table(), 0)
    for batch in file.iter_batches(batch_size=SLICE_ROWS, columns=names):
        yield _placed(pa.Table.from_batches([batch]), place)
        place += batch.num_rows


def _placed(rows: pa.Table, first: int) -> pa.Table:
    return rows.append_column("place", pa.array(range(first, first + rows.num_rows), pa.int64()))


def _open_slice(session: Session, rows: pa.Table, rubric: Rubric, parameters: Mapping[str, Any]) -> None:
    session.frame("rated_slice", rows)
    session.connection.execute(
        f"create or replace temp view rated_rows as select *, {_scores(rubric)} as scores from rated_slice"
    )
    session.create("export_tasks", "exports/export_tasks", parameters)


def _export_slice(
    session: Session,
    sinks: Mapping[str, _Sink],
    written: SideBySide,
    exported: Sequence[Exported],
    parameters: Mapping[str, Any],
) -> None:
    reasons = session.query("exports/left_out").to_dicts()
    counts: dict[str, int] = {}
    for export in exported:
        kind, path = export.format, export.format.path(parameters["split"])
        if path not in counts:  # two formats may share their files
            rows = sinks[path].rows(session, parameters)
            counts[path] = rows.num_rows
            written.write(path, partial(sinks[path].write, rows))
        export.rows[path] += counts[path]
        export.left_out.update({row["reason"]: row["tasks"] for row in reasons if row["needs"] == kind.needs})
        of_ties = kind.needs if kind.ties == "left_out" else "equal_ratings"
        export.ties += sum(row["tasks"] for row in reasons if (row["needs"], row["reason"]) == (of_ties, "tie"))


@contextmanager
def _sink(path: Path, kind: Format, rubric: Rubric) -> Iterator[_Sink]:
    if kind.encoding == "parquet":
        with ExitStack() as stack:
            yield _ParquetSink(path, kind, rubric, stack)
        return
    with replacing(path) as temporary, temporary.open("wb") as file:
        yield _JsonSink(kind, file)


class _ParquetSink:
    """A Parquet file, whose columns the first slice decides."""

    def __init__(self, path: Path, kind: Format, rubric: Rubric, stack: ExitStack) -> None:
        self._path, self._kind, self._rubric, self._stack = path, kind, rubric, stack
        self._write: Callable[[pa.Table], None] | None = None

    def rows(self, session: Session, parameters: Mapping[str, Any]) -> pa.Table:
        """Return the format's rows, with a column for each attribute where it has them, as one chunk."""
        rows = session.rows(f"exports/{self._kind.statement}", parameters).combine_chunks()
        return _with_attributes(rows, self._rubric) if self._kind.attributes else rows

    def write(self, rows: pa.Table) -> None:
        """Add rows as a row group."""
        if self._write is None:
            self._write = self._stack.enter_context(streaming_parquet(self._path, rows.schema))
        if rows.num_rows:
            self._write(rows)


class _JsonSink:
    """A file of JSON lines."""

    def __init__(self, kind: Format, file: BinaryIO) -> None:
        self._kind, self._file = kind, file

    def rows(self, session: Session, parameters: Mapping[str, Any]) -> pa.Table:
        """Return the lines of the format's rows."""
        session.create("export_rows", f"exports/{self._kind.statement}", parameters)
        lines = "select to_json(line)::varchar || chr(10) as text from export_rows as line"
        return session.connection.sql(lines).to_arrow_table()

    def write(self, rows: pa.Table) -> None:
        """Add lines."""
        self._file.write(_bytes_of(rows["text"].cast(pa.large_string()).combine_chunks()))


def _with_attributes(rows: pa.Table, rubric: Rubric) -> pa.Table:
    """Give each attribute a column of its own, in the place of the list of scores."""
    import pyarrow.compute as pc  # noqa: PLC0415 - the definitions load without it

    scores = rows.column("scores")
    place = rows.column_names.index("scores")
    rows = rows.remove_column(place)
    for number, name in enumerate(rubric.names):
        rows = rows.add_column(place + number, name, pc.list_element(scores, number))
    return rows


def _bytes_of(texts: pa.LargeStringArray) -> pa.Buffer | bytes:
    """Return all texts one after the other, without a copy: this is how Arrow keeps them."""
    if not len(texts):
        return b""
    _, offsets, content = texts.buffers()
    bounds = pa.Array.from_buffers(pa.int64(), texts.offset + len(texts) + 1, [None, offsets])
    first, last = bounds[texts.offset].as_py(), bounds[-1].as_py()
    return content.slice(first, last - first)
