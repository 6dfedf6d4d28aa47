"""Writing the exports of a release, slice by slice, from its own Parquet files.

Belongs here: the order of work and the bytes of files. Does not belong here: which rows there are (``sql/exports``).

Memory holds one slice at a time. A slice never parts the two responses of a task: tasks of two come first in a file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from dagster_project.lake import Session
from dagster_project.lake.parquet import streaming_parquet
from dagster_project.releases.exporters.formats import Format, formats_of, label_names
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
    """Takes the rows of a slice, as a query that gives them."""

    def add(self, session: Session, query: str) -> int: ...


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
        sinks: dict[str, _Sink] = {}
        for split in SPLITS:
            _open_split(session, folder, split, rubric)
            for rows in _slices(folder / "data" / f"{split}.parquet", rubric):
                session.frame("rated_slice", rows)
                session.connection.execute(
                    f"create or replace temp view rated_rows as select *, {_scores(rubric)} as scores from rated_slice"
                )
                session.create("export_tasks", "exports/export_tasks", parameters)
                _export_slice(session, files, sinks, folder, exported, rubric, {**parameters, "split": split})
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


def _export_slice(
    session: Session,
    files: ExitStack,
    sinks: dict[str, _Sink],
    folder: Path,
    exported: Sequence[Exported],
    rubric: Rubric,
    parameters: Mapping[str, Any],
) -> None:
    reasons = session.query("exports/left_out").to_dicts()
    written: dict[str, int] = {}
    for export in exported:
        kind, path = export.format, export.format.path(parameters["split"])
        if path not in written:  # two formats may share their files
            session.create("export_rows", f"exports/{kind.statement}", parameters)
            if path not in sinks:
                sinks[path] = files.enter_context(_sink(folder / path, kind))
            written[path] = sinks[path].add(session, _query(session, kind, rubric))
        export.rows[path] += written[path]
        export.left_out.update({row["reason"]: row["tasks"] for row in reasons if row["needs"] == kind.needs})
        of_ties = kind.needs if kind.ties == "left_out" else "equal_ratings"
        export.ties += sum(row["tasks"] for row in reasons if (row["needs"], row["reason"]) == (of_ties, "tie"))


def _query(session: Session, kind: Format, rubric: Rubric) -> str:
    """Return a query for a format's rows, with a column for each attribute where it has them."""
    if not kind.attributes:
        return "from export_rows"
    columns = [name for name, *_ in session.connection.sql("describe export_rows").fetchall()]
    ratings = [f'scores[{place}] as "{name}"' for place, name in enumerate(rubric.names, start=1)]
    chosen = [part for column in columns for part in (ratings if column == "scores" else [column])]
    return f"select {', '.join(chosen)} from export_rows"


@contextmanager
def _sink(path: Path, kind: Format) -> Iterator[_Sink]:
    if kind.encoding == "parquet":
        with ExitStack() as stack:
            yield _ParquetSink(path, stack)
        return
    with replacing(path) as temporary, temporary.open("wb") as file:
        yield _JsonSink(file)


class _ParquetSink:
    """A Parquet file, whose columns the first slice decides."""

    def __init__(self, path: Path, stack: ExitStack) -> None:
        self._path, self._stack = path, stack
        self._write: Any = None

    def add(self, session: Session, query: str) -> int:
        rows = session.connection.sql(query).to_arrow_table().combine_chunks()
        if self._write is None:
            self._write = self._stack.enter_context(streaming_parquet(self._path, rows.schema))
        if rows.num_rows:
            self._write(rows)
        return int(rows.num_rows)


class _JsonSink:
    """A file of JSON lines."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def add(self, session: Session, query: str) -> int:
        lines = session.connection.sql(f"select to_json(line)::varchar || chr(10) as text from ({query}) as line")
        texts = lines.to_arrow_table()["text"].cast(pa.large_string()).combine_chunks()
        self._file.write(_bytes_of(texts))
        return len(texts)


def _bytes_of(texts: pa.LargeStringArray) -> pa.Buffer | bytes:
    """Return all texts one after the other, without a copy: this is how Arrow keeps them."""
    if not len(texts):
        return b""
    _, offsets, content = texts.buffers()
    bounds = pa.Array.from_buffers(pa.int64(), texts.offset + len(texts) + 1, [None, offsets])
    first, last = bounds[texts.offset].as_py(), bounds[-1].as_py()
    return content.slice(first, last - first)
