"""A delivered file's rows, told apart: accepted in the canonical shape, or broken with the rule.

Belongs here: formats by suffix, the campaign of each row, pseudonyms in place of workers. Does not
belong here: anything that writes (`intake`), or what a single row must hold (`canonical`).
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from dagster_project.lake import Lake
from dagster_project.settings import Settings
from dagster_project.vendors.campaigns import is_closed
from dagster_project.vendors.canonical import (
    REQUIRED_FIELDS,
    BrokenRowError,
    Cells,
    Defect,
    Demands,
    Reader,
    Row,
    is_empty,
    read_row,
)
from dagster_project.vendors.csv_file import read_csv
from dagster_project.vendors.identities import Pseudonyms
from dagster_project.vendors.jsonl import read_jsonl
from dagster_project.vendors.tasks import frozen_rubric

READERS: dict[str, Reader] = {".jsonl": read_jsonl, ".ndjson": read_jsonl, ".csv": read_csv}
CHUNK_BYTES = 1 << 20
SHORTEST_TELLING_ID = 4
"""A worker's id of fewer characters is not looked for in texts: it would be found by chance."""

EMPTY_FILE = Defect("empty_file", "the file holds no row: deliver it again, with its rows.")
NO_TASK = Defect("missing_field", "`task_id` is missing or empty: give the task's id, as it was exported.")
UNKNOWN_TASK = Defect(
    "unknown_task",
    "`task_id` names no task that this vendor was sent: copy it from the exported round, letter by letter.",
)
UNKNOWN_FORMAT = Defect(
    "unknown_format", "the file is neither JSON Lines nor CSV in UTF-8: deliver it as one of them, as .jsonl or .csv."
)


@dataclass
class SortedFile:
    """A file's rows, by what became of them.

    ``workers`` are the vendor's ids behind accepted rows, ``names`` all that stood in the place of
    one; ``fields`` are the names of all fields seen. None of the three may leave the vault.
    """

    accepted: list[dict[str, Any]] = field(default_factory=list)
    broken: list[tuple[str | None, int, Defect]] = field(default_factory=list)
    first_campaign: str | None = None
    workers: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)
    fields: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Sorter:
    """What the rows of one vendor are held against: its campaigns' demands, and each task's responses."""

    pseudonyms: Pseudonyms
    demands: dict[str, Demands]
    tasks: dict[str, tuple[str, frozenset[str]]]

    @classmethod
    def of_vendor(cls, lake: Lake, settings: Settings, vendor: str, pseudonyms: Pseudonyms) -> Sorter:
        """Gather the demands and the tasks of a vendor's campaigns."""
        simulated = settings.vendors.vendors[vendor].kind == "simulated"
        demands = {
            slug: _demands(lake, settings, slug, simulated=simulated)
            for slug, spec in settings.campaigns.items()
            if spec.vendor == vendor
        }
        return cls(pseudonyms, demands, _known_tasks(lake, list(demands)))

    @property
    def default_campaign(self) -> str:
        """The campaign that answers for files without any known task: the first open one."""
        return next((slug for slug, demands in self.demands.items() if not demands.closed), next(iter(self.demands)))

    def sort(self, path: Path) -> SortedFile:
        """Tell a file's rows apart; a file that cannot be read counts as one broken row."""
        rows = SortedFile()
        for number, cells in self._read(path):
            if isinstance(cells, Defect):
                rows.broken.append((None, number, cells))
            else:
                self._sort_row(rows, number, cells)
        if not rows.accepted and not rows.broken:
            rows.broken.append((None, 1, EMPTY_FILE))
        return rows

    def ignored_fields(self, rows: SortedFile) -> tuple[str, ...]:
        """Return the fields that no rule knows, as far as they look like names of fields and of nobody."""
        known = {*Row.model_fields, *(name for demands in self.demands.values() for name in demands.rubric.names)}
        strange = rows.fields - known - rows.names
        return tuple(sorted(name for name in strange if re.fullmatch(r"[a-z][a-z0-9_]{0,40}", name)))

    def _read(self, path: Path) -> Iterator[tuple[int, Cells | Defect]]:
        defect = _encoding_defect(path)
        if defect:
            yield 1, defect if path.suffix in READERS else UNKNOWN_FORMAT
        else:
            reader = READERS.get(path.suffix) or _reader_by_content(path)
            yield from reader(path, (*REQUIRED_FIELDS, *self._shared_attributes()))

    def _shared_attributes(self) -> list[str]:
        """Return the attributes that all of the vendor's rubrics have: no table may lack their columns."""
        first, *others = [demands.rubric.names for demands in self.demands.values()]
        return [name for name in first if all(name in names for names in others)]

    def _sort_row(self, rows: SortedFile, number: int, cells: Cells) -> None:
        rows.fields.update(cells)
        if not is_empty(cells.get("annotator")):
            rows.names.add(str(cells["annotator"]).strip())
        known = self.tasks.get(str(cells.get("task_id", "")).strip())
        if known is None:
            rows.broken.append((None, number, NO_TASK if is_empty(cells.get("task_id")) else UNKNOWN_TASK))
            return
        campaign, responses = known
        rows.first_campaign = rows.first_campaign or campaign
        try:
            row, columns = read_row(cells, responses, self.demands[campaign])
        except BrokenRowError as error:
            rows.broken.append((campaign, number, error.defect))
        else:
            rows.workers.add(row.annotator)
            rows.accepted.append({**columns, **self._veiled(row), "row_number": number})

    def _veiled(self, row: Row) -> dict[str, Any]:
        """Return what may name the worker in a row, with the pseudonym in its place."""
        pseudonym, words = self.pseudonyms.pseudonym(row.annotator), row.justification
        if words and len(row.annotator) >= SHORTEST_TELLING_ID:
            words = words.replace(row.annotator, pseudonym)
        return {"annotator": pseudonym, "justification": words}


def _demands(lake: Lake, settings: Settings, campaign: str, *, simulated: bool) -> Demands:
    """Return what a campaign asks of its rows. A closed one takes none, so that its rubric may have moved on."""
    spec, closed = settings.campaign(campaign), is_closed(lake, campaign)
    rubric = settings.rubric_of(campaign) if closed else frozen_rubric(lake, settings, campaign)
    return Demands(campaign, spec.vendor, spec.guideline_version, rubric, simulated, closed)


def _known_tasks(lake: Lake, campaigns: list[str]) -> dict[str, tuple[str, frozenset[str]]]:
    """Return the campaign and the response ids of each frozen task."""
    parts = [part for campaign in campaigns for part in lake.parts("annotation_tasks", {"campaign": campaign})]
    frames = [pl.read_parquet(part, columns=["campaign", "task_id", "response_id"]) for part in parts]
    if not frames:
        return {}
    tasks = pl.concat(frames).group_by("campaign", "task_id").agg("response_id")
    return {task_id: (campaign, frozenset(responses)) for campaign, task_id, responses in tasks.iter_rows()}


def _reader_by_content(path: Path) -> Reader:
    """Return the reader for a text whose name does not tell: objects begin with a brace."""
    with path.open(encoding="utf-8-sig") as file:
        first = next((line for line in file if line.strip()), "")
    return read_jsonl if first.lstrip().startswith("{") else read_csv


def _encoding_defect(path: Path) -> Defect | None:
    """Return what is wrong if a file is not UTF-8, with the first byte that shows it, counted from 0."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    done = 0
    with path.open("rb") as file:
        while True:
            chunk = file.read(CHUNK_BYTES)
            waiting = len(decoder.getstate()[0])
            try:
                decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as error:
                place = done - waiting + error.start
                return Defect(
                    "wrong_encoding",
                    f"the file is not UTF-8 at byte {place} (from 0): no row of it was read. "
                    "Save it as UTF-8, and deliver it again.",
                )
            if not chunk:
                return None
            done += len(chunk)
