"""What vendors delivered, without what is withdrawn: rows of the lake, raw files and the map of workers in the vault.

A row that is taken out is accounted for: it is in `quarantine` under the rule `withdrawn`, as it would be had the
register refused it when it came. Belongs here: deliveries. Does not belong here: what is made from them, which is
made again (`purge`), or what vendors were sent (`files`).
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from dagster_project.lake import TABLES, Lake
from dagster_project.lake.parquet import edit_parquet
from dagster_project.releases.kept_inputs import forget_kept
from dagster_project.vendors import Pseudonyms
from dagster_project.vendors.canonical import Defect
from dagster_project.vendors.identities import map_path
from dagster_project.vendors.sealing import half_read, is_sealed, raw_copies, seal, withdrawn_annotations
from dagster_project.vendors.sorting import TAKEN_OUT, Sorter
from dagster_project.whole_files import PRIVATE, remove, write_whole
from dagster_project.withdrawal.scope import Cut, Marks, Scope, count_marked, drop, marked
from dagster_project.withdrawn import WITHDRAWN

RECEIVED = ("deliveries", "quarantine", "intake")


def cuts(scope: Scope, vendor: str) -> Iterator[Cut]:
    """Yield what goes from one vendor's deliveries: rows of the lake first, as raw files say which they are.

    Raises:
        SteerworksError: the key for pseudonyms is not set, or is another one than before.
    """
    sorter = _sorter(scope, vendor)
    raw = {copy: withdrawn_annotations(sorter, copy) for copy in raw_copies(scope.settings.home.vault, vendor)}
    numbers: dict[str, frozenset[int]] = {}
    for copy, found in raw.items():
        numbers[copy.delivery_id] = numbers.get(copy.delivery_id, frozenset()) | frozenset(found)
    for campaign in sorter.demands:
        for receipt in scope.lake.parts("intake", {"campaign": campaign}):
            yield from _received(scope, _Received(scope.lake, campaign, receipt.stem, numbers.get(receipt.stem)))
    for path in half_read(scope.settings.home.vault, vendor):
        yield Cut("leftovers", path, 1, partial(remove, path))
    for copy, found in raw.items():
        if found:
            yield Cut("vault/deliveries", copy.path, len(found), partial(seal, sorter, copy))
    yield from _worker(scope, vendor)


def unreadable(scope: Scope, vendor: str) -> list[Path]:
    """Return the raw deliveries that say nothing to anybody who reads them as configured: a person must look."""
    sorter = _sorter(scope, vendor)
    copies = [copy for copy in raw_copies(scope.settings.home.vault, vendor) if not is_sealed(copy.path)]
    return [copy.path for copy in copies if all(isinstance(one.cells, Defect) for one in sorter.found(copy))]


def _sorter(scope: Scope, vendor: str) -> Sorter:
    """Return the vendor's sorter as it will be when the register has this withdrawal."""
    sorter = Sorter.of_vendor(scope.lake, scope.settings, vendor, Pseudonyms.of_vendor(scope.settings, vendor))
    own = scope.withdrawal
    workers = {own.pseudonym} if own.pseudonym and own.vendor == vendor else set()
    return dataclasses.replace(
        sorter,
        withdrawn_workers=sorter.withdrawn_workers | workers,
        withdrawn_tasks=sorter.withdrawn_tasks | own.task_ids,
    )


@dataclasses.dataclass(frozen=True)
class _Received:
    """The rows of one delivery that are one campaign's; ``numbers`` of the file are withdrawn."""

    lake: Lake
    campaign: str
    delivery_id: str
    numbers: frozenset[int] | None

    def path(self, table: str) -> Path:
        """Return where the part of a table is, or would be."""
        return self.lake.root / table / f"campaign={self.campaign}" / f"{self.delivery_id}.parquet"

    def count(self, table: str) -> int:
        """Count the rows of a table."""
        return int(pq.read_metadata(self.path(table)).num_rows) if self.path(table).exists() else 0

    @property
    def quarantined(self) -> pl.DataFrame:
        """What is in quarantine."""
        path = self.path("quarantine")
        table = pq.read_table(path, partitioning=None) if path.exists() else TABLES["quarantine"].schema.empty_table()
        return pl.DataFrame(table)

    @property
    def receipt(self) -> dict[str, object]:
        """The row of `intake`."""
        return dict(pq.read_table(self.path("intake"), partitioning=None).to_pylist()[0])


def _received(scope: Scope, of: _Received) -> Iterator[Cut]:
    accepted = count_marked(of.path("deliveries"), scope.marks) if of.path("deliveries").exists() else 0
    aside = of.quarantined.filter(pl.col("row_number").is_in(of.numbers or ()) & (pl.col("rule") != WITHDRAWN)).height
    counts = (of.count("deliveries"), of.count("quarantine"))
    if accepted or aside or (of.receipt["accepted"], of.receipt["quarantined"]) != counts:
        yield Cut("lake/deliveries", of.path("deliveries"), accepted + aside, partial(_take_out, of, scope.marks))


def _take_out(of: _Received, marks: Marks) -> None:
    """Move withdrawn rows to quarantine, then out of `deliveries`, then count both: killed anywhere, it goes on."""
    for table in RECEIVED:
        forget_kept(of.lake, of.path(table))
    rows = pl.concat([of.quarantined, _moved(of, marks)]).unique("row_number", keep="last").sort("row_number")
    taken_out = pl.col("row_number").is_in(of.numbers or ())
    told = rows.with_columns(
        rule=pl.when(taken_out).then(pl.lit(TAKEN_OUT.rule)).otherwise("rule"),
        message=pl.when(taken_out).then(pl.lit(TAKEN_OUT.message)).otherwise("message"),
        text=pl.when(taken_out).then(None).otherwise("text"),
    )
    if told.height:
        with of.lake.adding("quarantine", {"campaign": of.campaign}, of.delivery_id) as write:
            write(told.to_arrow())
    if of.path("deliveries").exists():
        drop(of.path("deliveries"), marks)
    counts = {"accepted": of.count("deliveries"), "quarantined": of.count("quarantine")}
    edit_parquet(of.path("intake"), partial(_recounted, counts=counts))


def _moved(of: _Received, marks: Marks) -> pl.DataFrame:
    """Return the withdrawn rows of `deliveries` as rows of `quarantine`, which say nothing but that they came."""
    places = []
    if of.path("deliveries").exists():
        with pq.ParquetFile(of.path("deliveries")) as file:
            columns = ["row_number", "source_row", *(name for name in marks if name in file.schema_arrow.names)]
            for group in range(file.num_row_groups):
                rows = file.read_row_group(group, columns)
                places.append(rows.filter(marked(rows, marks)).select(["row_number", "source_row"]))
    empty = TABLES["quarantine"].schema.empty_table()
    together = pl.DataFrame(pa.concat_tables([empty.select(["row_number", "source_row"]), *places]))
    said = {
        "campaign": of.campaign,
        "delivery_id": of.delivery_id,
        "file": of.receipt["file"],
        "rule": TAKEN_OUT.rule,
        "message": TAKEN_OUT.message,
    }
    whole = together.with_columns(**{name: pl.lit(value) for name, value in said.items()}, text=pl.lit(None, pl.String))
    return whole.select(empty.column_names)


def _recounted(rows: pa.Table, counts: dict[str, int]) -> pa.Table:
    for name, count in counts.items():
        rows = rows.set_column(rows.column_names.index(name), rows.schema.field(name), pa.array([count], pa.int64()))
    return rows


def _worker(scope: Scope, vendor: str) -> Iterator[Cut]:
    """Yield the worker's line in the map of workers."""
    path = map_path(scope.settings.home.vault, vendor)
    pseudonym = scope.withdrawal.pseudonym
    if pseudonym is None or not path.exists():
        return
    lines = path.read_bytes().splitlines(keepends=True)
    others = [line for line in lines if line.endswith(b"\n") and json.loads(line)["pseudonym"] != pseudonym]
    if len(others) < len(lines):
        gone = len(lines) - len(others)
        yield Cut("vault/workers", path, gone, partial(write_whole, path, b"".join(others), PRIVATE))
