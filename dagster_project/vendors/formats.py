"""A delivered file's rows and the annotations in them, whatever the file's format and the vendor's ways.

Belongs here: which reader reads a file, and how its rows become annotations. Does not belong here: one format
(`jsonl`, `csv_file`, `tables`), one tool (`tools`), or whether an annotation is accepted (`sorting`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from dagster_project.settings import Rubric, Vendor
from dagster_project.settings.mappings import Sources
from dagster_project.vendors.canonical import Cells, Defect, Reader
from dagster_project.vendors.csv_file import read_csv
from dagster_project.vendors.jsonl import open_text, read_json_list, read_jsonl
from dagster_project.vendors.long_rows import gathered
from dagster_project.vendors.mapping import Columns
from dagster_project.vendors.tables import read_parquet_rows, read_xlsx
from dagster_project.vendors.tools import TOOLS
from dagster_project.vendors.unpacking import Plain

JSON_LINES = (".jsonl", ".ndjson")


@dataclass(frozen=True)
class Found:
    """One annotation as it was found.

    ``number`` counts the file's annotations and ``row`` its rows, both from 1; ``sources`` say where a mapping found
    the fields.
    """

    number: int
    row: int
    cells: Cells | Defect
    sources: Sources | None = None


@dataclass(frozen=True)
class Format:
    """How one vendor's files are read."""

    vendor: Vendor
    required: tuple[str, ...]

    @property
    def is_own(self) -> bool:
        """Say whether the vendor delivers rows in Steerworks' own shape."""
        return self.vendor.mapping is None and self.vendor.format == "steerworks"

    def annotations(self, file: Plain) -> Iterator[Found]:
        """Yield the annotations of a file, in its order; those of `long` rows in the order of their ids."""
        rows = self.reader(file)(file.path, self._columns())
        if self.is_own:
            yield from (Found(number, number, cells) for number, cells in rows)
            return
        for number, (row, cells, sources) in enumerate(self._unfolded(file, rows), start=1):
            yield Found(number, row, cells, sources)

    def meant(self, found: Found, rubric: Rubric) -> Cells:
        """Return an annotation in the rubric's words and numbers.

        Raises:
            BrokenRowError: the mapping cannot say what a rating means.
        """
        assert not isinstance(found.cells, Defect)  # noqa: S101 - the caller has looked
        if found.sources is not None and self.vendor.mapping:
            return Columns(self.vendor.mapping).meant(found.cells, found.sources, rubric)
        if self.vendor.format == "label-studio":
            return {**dict.fromkeys(rubric.names), **found.cells}  # what is not answered there is not sent
        return found.cells

    def reader(self, file: Plain) -> Reader:
        """Return the reader of a file: by what it is, then by its name, then by how it begins."""
        mapping = self.vendor.mapping
        if file.kind == "workbook":
            return partial(read_xlsx, sheet=mapping.sheet if mapping else None)
        if file.kind == "parquet":
            return read_parquet_rows
        csv_reader = partial(read_csv, delimiter=mapping.delimiter if mapping else None)
        if file.suffix in JSON_LINES:
            return read_jsonl
        return csv_reader if file.suffix == ".csv" else _by_content(file.path) or csv_reader

    def _columns(self) -> tuple[str, ...]:
        """Return the columns without which no table of this vendor can be read."""
        if self.vendor.mapping:
            return self.vendor.mapping.needed_columns()
        return self.required if self.is_own else ()

    def _unfolded(
        self, file: Plain, rows: Iterator[tuple[int, Cells | Defect]]
    ) -> Iterator[tuple[int, Cells | Defect, Sources | None]]:
        mapping = self.vendor.mapping
        if mapping is None:
            for row, cells in rows:
                found = [cells] if isinstance(cells, Defect) else TOOLS[self.vendor.format](cells)
                yield from ((row, annotation, None) for annotation in found)
            return
        unfolded = self._mapped(Columns(mapping), rows)
        yield from gathered(unfolded, file.path.parent) if mapping.long else unfolded

    def _mapped(
        self, columns: Columns, rows: Iterator[tuple[int, Cells | Defect]]
    ) -> Iterator[tuple[int, Cells | Defect, Sources | None]]:
        for row, cells in rows:
            if isinstance(cells, Defect):
                yield row, cells, None
                continue
            for annotation in columns.annotations(cells):
                yield (row, annotation, None) if isinstance(annotation, Defect) else (row, *annotation)


def _by_content(path: Path) -> Reader | None:
    """Return the reader for JSON by its first sign; None for anything else."""
    with open_text(path) as file:
        first = next((sign for sign in iter(lambda: file.read(1), "") if not sign.isspace()), "")
    return {"{": read_jsonl, "[": read_json_list}.get(first)
