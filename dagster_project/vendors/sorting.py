"""A delivered file's annotations, told apart: accepted in the canonical shape, or broken with the rule.

Belongs here: the campaign of each annotation, pseudonyms in place of workers. Does not belong here: reading files
(`formats`), many lines at once (`sorting_lines`), anything that writes (`intake`), or what a single annotation must
hold (`canonical`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any

import polars as pl

from dagster_project.errors import SteerworksError
from dagster_project.lake import Lake
from dagster_project.settings import Settings, Vendor
from dagster_project.vendors.bulk import SHORTEST_TELLING_ID, Bulk
from dagster_project.vendors.campaigns import is_closed
from dagster_project.vendors.canonical import (
    REQUIRED_FIELDS,
    BrokenRowError,
    Cells,
    Defect,
    Demands,
    Row,
    is_empty,
    read_row,
    whole_number,
)
from dagster_project.vendors.formats import Format, Found
from dagster_project.vendors.identities import Pseudonyms
from dagster_project.vendors.jsonl import read_jsonl
from dagster_project.vendors.mapping import FIELDS
from dagster_project.vendors.redaction import without_identities
from dagster_project.vendors.sorted_rows import Broken, SortedRows
from dagster_project.vendors.sorting_lines import LineSorter
from dagster_project.vendors.tasks import frozen_rubric
from dagster_project.vendors.unpacking import GIGABYTE, Plain, made_plain
from dagster_project.vendors.vault import RawCopy
from dagster_project.withdrawn import WITHDRAWN, Register

ROWS_AT_ONCE = 40_000
Tasks = Mapping[str, tuple[str, Mapping[str, int]]]
"""The campaign and the responses of each task, by their place in shown order."""

EMPTY_FILE = Defect("empty_file", "the file holds no row: deliver it again, with its rows.")
CUT_ARCHIVE = Defect(
    "cut_row", "the archive breaks off: deliver the whole file again; the rows that came whole count once."
)
NO_TASK = Defect("missing_field", "`task_id` is missing or empty: give the task's id, as it was exported.")
UNKNOWN_TASK = Defect(
    "unknown_task",
    "`task_id` names no task that this vendor was sent: copy it from the exported round, letter by letter.",
)
TAKEN_OUT = Defect(
    WITHDRAWN,
    "its annotator or its prompt was withdrawn by a legal request: nothing of it is kept, and nothing is to be done.",
)


@dataclass(frozen=True)
class Sorter:
    """What the rows of one vendor are held against: its campaigns' demands, and each task's responses."""

    pseudonyms: Pseudonyms
    demands: dict[str, Demands]
    known: pl.DataFrame
    format: Format
    max_unpacked: int
    withdrawn_workers: frozenset[str] = frozenset()
    withdrawn_tasks: frozenset[str] = frozenset()

    @classmethod
    def of_vendor(cls, lake: Lake, settings: Settings, vendor: str, pseudonyms: Pseudonyms) -> Sorter:
        """Gather the demands and the tasks of a vendor's campaigns.

        Raises:
            SteerworksError: a rubric changed since its campaign's tasks were exported.
        """
        spec = settings.vendors.vendors[vendor]
        demands = {slug: _demands(lake, settings, slug, vendor) for slug in settings.campaigns_of(vendor)}
        _require_known_fields(spec, vendor, demands)
        required = (*REQUIRED_FIELDS, *_shared_attributes(demands))
        max_unpacked = int(settings.vendors.max_unpacked_gb * GIGABYTE)
        register = Register.of_home(settings.home)
        return cls(
            pseudonyms,
            demands,
            _known_tasks(lake, list(demands)),
            Format(spec, required),
            max_unpacked,
            register.pseudonyms(vendor),
            register.task_ids,
        )

    @property
    def default_campaign(self) -> str:
        """The campaign that answers for files without any known task: the first open one."""
        return next((slug for slug, demands in self.demands.items() if not demands.closed), next(iter(self.demands)))

    def sort(self, raw: RawCopy) -> Iterator[SortedRows]:
        """Tell a file's annotations apart, some thousand at a time; a file that cannot be read is one broken row."""
        last = 0
        with self._made_plain(raw) as file:
            if isinstance(file, Defect):
                yield SortedRows(broken=[Broken(None, 1, 1, file)])
                return
            for rows, number in self._parts(file):
                last = number
                yield rows
            if file.is_cut:
                yield SortedRows(broken=[Broken(None, last + 1, last + 1, CUT_ARCHIVE)])
            elif last == 0:
                yield SortedRows(broken=[Broken(None, 1, 1, EMPTY_FILE)])

    def found(self, raw: RawCopy) -> Iterator[Found]:
        """Yield a file's annotations as they are found in it; none of a file that cannot be read."""
        with self._made_plain(raw) as file:
            if not isinstance(file, Defect):
                yield from self.format.annotations(file)

    def is_withdrawn(self, cells: Cells) -> bool:
        """Say whether an annotation is about a withdrawn prompt or by a withdrawn worker.

        Where columns have shifted, the worker's id may stand in any cell; a number there is taken for a number.
        """
        if str(cells.get("task_id", "")).strip() in self.withdrawn_tasks:
            return True
        if not self.withdrawn_workers:
            return False
        texts = {value.strip() for value in cells.values() if isinstance(value, str)}
        names = {text for text in texts if len(text) >= SHORTEST_TELLING_ID and not text.isdecimal()}
        names.add(str(cells.get("annotator", "")).strip())
        return any(self.pseudonyms.pseudonym(name) in self.withdrawn_workers for name in names)

    def _made_plain(self, raw: RawCopy) -> AbstractContextManager[Plain | Defect]:
        mapping = self.format.vendor.mapping
        return made_plain(raw.path, mapping.encoding if mapping else "utf-8", self.max_unpacked)

    def ignored_fields(self, fields: set[str], names: set[str]) -> tuple[str, ...]:
        """Return the fields that no rule knows, as far as they look like names of fields and of nobody."""
        if not self.format.is_own:
            return ()
        strange = fields - self._fields - names
        return tuple(sorted(name for name in strange if re.fullmatch(r"[a-z][a-z0-9_]{0,40}", name)))

    def _parts(self, file: Plain) -> Iterator[tuple[SortedRows, int]]:
        """Yield some annotations at a time, and the number of the last of them."""
        if self.format.is_own and self.format.reader(file) is read_jsonl:
            yield from LineSorter(self._bulk, self._sort_one, self.withdrawn_workers).sort(file.path)
            return
        found = self.format.annotations(file)
        while part := list(islice(found, ROWS_AT_ONCE)):
            rows = SortedRows()
            for one in part:
                self._sort_one(rows, one)
            yield rows, part[-1].number

    @cached_property
    def _bulk(self) -> Bulk:
        return Bulk(self.pseudonyms, self.demands, self.known)

    @cached_property
    def _tasks(self) -> Tasks:
        tasks: dict[str, tuple[str, dict[str, int]]] = {}
        for campaign, task_id, response_id, position in self.known.iter_rows():
            tasks.setdefault(task_id, (campaign, {}))[1][response_id] = position
        return tasks

    def _sort_one(self, rows: SortedRows, found: Found) -> None:
        if isinstance(found.cells, Defect):
            rows.broken.append(Broken(None, found.number, found.row, found.cells))
            return
        cells = found.cells
        rows.fields.update(cells)
        if not is_empty(cells.get("annotator")):
            rows.names.add(str(cells["annotator"]).strip())
        known = self._tasks.get(str(cells.get("task_id", "")).strip())
        if self.is_withdrawn(cells):
            rows.broken.append(Broken(known[0] if known else None, found.number, found.row, TAKEN_OUT))
            return
        if known is None:
            defect = _no_task(found) if is_empty(cells.get("task_id")) else UNKNOWN_TASK
            rows.broken.append(Broken(None, found.number, found.row, defect, self._text(cells, None)))
            return
        campaign, responses = known
        rows.first_campaign = rows.first_campaign or campaign
        demands = self.demands[campaign]
        try:
            meant = self._with_response(self.format.meant(found, demands.rubric), responses)
            row, columns = read_row(meant, responses, demands)
        except BrokenRowError as error:
            rows.broken.append(Broken(campaign, found.number, found.row, error.defect, self._text(cells, campaign)))
            return
        rows.workers.add(row.annotator)
        place = {"row_number": found.number, "source_row": found.row}
        rows.accepted.append({**columns, **self._veiled(row), **place})

    def _with_response(self, cells: Cells, responses: Mapping[str, int]) -> Cells:
        """Return an annotation with its response's id, where a vendor tells only its place in shown order."""
        if self.format.is_own or not is_empty(cells.get("response_id")):
            return cells
        try:
            place = whole_number(cells.get("position"))
        except ValueError:
            return cells
        return {**cells, "response_id": next((name for name, at in responses.items() if at == place), None)}

    def _text(self, cells: Cells, campaign: str | None) -> str:
        known: set[str] = set()
        if campaign is not None:
            task_id = str(cells.get("task_id")).strip()
            flags = (flag.name for flag in self.demands[campaign].rubric.flags)
            known = {task_id, *self._tasks[task_id][1], *flags}
        return without_identities(cells, self._fields, known)

    @cached_property
    def _fields(self) -> frozenset[str]:
        attributes = (name for demands in self.demands.values() for name in demands.rubric.names)
        return frozenset({*Row.model_fields, "position", *attributes})

    def _veiled(self, row: Row) -> dict[str, Any]:
        """Return what may name the worker in a row, with the pseudonym in its place."""
        pseudonym, words = self.pseudonyms.pseudonym(row.annotator), row.justification
        if words and len(row.annotator) >= SHORTEST_TELLING_ID:
            words = words.replace(row.annotator, pseudonym)
        return {"annotator": pseudonym, "justification": words}


def _no_task(found: Found) -> Defect:
    """Return what is wrong with a row without a task; of a mapped one, where the task was looked for."""
    source = found.sources["task_id"] if found.sources else None
    if source is None:
        return NO_TASK
    where = source.path or source.template
    return Defect(
        NO_TASK.rule,
        f"`task_id` is missing or empty: `mapping` of vendors.yaml looks for it at `{where}`. Mend the mapping and "
        "take the file again (`steerworks quarantine retake`), or give the task's id there.",
    )


def _require_known_fields(spec: Vendor, vendor: str, demands: Mapping[str, Demands]) -> None:
    """Raise if a mapping names what is no field of an annotation: its ratings would be lost without a word."""
    attributes = {name for demand in demands.values() for name in demand.rubric.names}
    if spec.mapping and (strangers := sorted(spec.mapping.named() - attributes - FIELDS)):
        raise SteerworksError(
            f"vendors.yaml: vendor `{vendor}`: mapping: no field and no attribute of its campaigns' rubrics is called "
            f"{', '.join(f'`{name}`' for name in strangers)}. There are: {', '.join(sorted(attributes | FIELDS))}. "
            "Mend it, and start again; nothing was taken in."
        )


def _demands(lake: Lake, settings: Settings, campaign: str, vendor: str) -> Demands:
    """Return what a campaign asks of a vendor's rows. A closed one takes none, so its rubric may have moved on."""
    simulated = settings.vendors.vendors[vendor].kind == "simulated"
    spec, closed = settings.campaign(campaign), is_closed(lake, campaign)
    rubric = settings.rubric_of(campaign) if closed else frozen_rubric(lake, settings, campaign)
    return Demands(campaign, vendor, spec.guideline_version, rubric, simulated, closed)


def _shared_attributes(demands: Mapping[str, Demands]) -> list[str]:
    """Return the attributes that all of the vendor's rubrics have: no table may lack their columns."""
    first, *others = [demand.rubric.names for demand in demands.values()]
    return [name for name in first if all(name in names for names in others)]


def _known_tasks(lake: Lake, campaigns: Iterable[str]) -> pl.DataFrame:
    """Return campaign, task, response and place in shown order of all that the campaigns sent out."""
    columns = {"campaign": pl.String, "task_id": pl.String, "response_id": pl.String, "position": pl.Int8}
    parts = [
        part
        for campaign in campaigns
        for table in ("annotation_tasks", "control_tasks")
        for part in lake.parts(table, {"campaign": campaign})
    ]
    return pl.concat([pl.DataFrame(schema=columns), *(pl.read_parquet(part, columns=list(columns)) for part in parts)])
