"""Deliveries in: each settled file of a vendor's inbox becomes rows of the lake, exactly once.

Belongs here: the order of effects. Does not belong here: which rows are accepted (`sorting`), or
which of several ratings counts (`merging`).

The order makes a kill at any moment harmless. First the bytes are copied into the vault, then the
map of workers, then accepted and quarantined rows, then the rows of `intake`, then the file leaves
the inbox. A delivery is known once its rows of `intake` account for all rows of its file; until
then it is taken in anew, whole. Of a file with withdrawn annotations the vault keeps a sealed copy
alone. Rows go through in parts of some thousand, so that memory is the same for every size of file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pyarrow as pa
from filelock import FileLock

from dagster_project.errors import SteerworksError
from dagster_project.lake import TABLES, Lake
from dagster_project.settings import Settings
from dagster_project.vendors.bulk import SHORTEST_TELLING_ID
from dagster_project.vendors.identities import Pseudonyms
from dagster_project.vendors.inbox import pending
from dagster_project.vendors.sealing import seal
from dagster_project.vendors.sorted_rows import Broken, SortedRows
from dagster_project.vendors.sorting import Sorter
from dagster_project.vendors.vault import RawCopy, keep_raw
from dagster_project.withdrawn import WITHDRAWN

_ASIDE = {
    "campaign": pl.String,
    "row_number": pl.Int64,
    "rule": pl.String,
    "message": pl.String,
    "source_row": pl.Int64,
    "text": pl.String,
}


@dataclass(frozen=True)
class TakenIn:
    """What became of one delivered file.

    ``rules`` counts its quarantined rows by rule. ``ignored_fields`` are fields that no rule knows:
    the rows were read without them, so a misspelt optional field shows here.
    """

    file: str
    delivery_id: str
    duplicate: bool
    campaigns: tuple[str, ...] = ()
    accepted: int = 0
    quarantined: int = 0
    rules: dict[str, int] = field(default_factory=dict)
    ignored_fields: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """Rows accounted for; none if the file had been taken in before."""
        return self.accepted + self.quarantined


def take_in(lake: Lake, settings: Settings, vendor: str) -> list[TakenIn]:
    """Take in all settled files of a vendor's inbox, one after the other; safe to repeat at any time.

    Raises:
        SteerworksError: the vendor or its campaigns are not configured, or the key for pseudonyms
            is not set or is another one than before. Nothing was taken in then.
    """
    _require_campaigns(settings, vendor)
    if not pending(settings.home, settings.vendors, vendor):
        return []
    pseudonyms = Pseudonyms.of_vendor(settings, vendor)
    with FileLock(pseudonyms.vault / f".intake-{vendor}.lock"):
        desk = Desk(lake, pseudonyms, Sorter.of_vendor(lake, settings, vendor, pseudonyms))
        return [desk.take(path) for path in pending(settings.home, settings.vendors, vendor)]


def _require_campaigns(settings: Settings, vendor: str) -> None:
    if vendor not in settings.vendors.vendors:
        raise SteerworksError(
            f"there is no vendor `{vendor}` in {settings.folder / 'vendors.yaml'}; it has: "
            f"{', '.join(sorted(settings.vendors.vendors))}. Add it, or rename its folder in the inbox."
        )
    if not settings.campaigns_of(vendor):
        raise SteerworksError(
            f"vendor `{vendor}` has no campaign in {settings.folder / 'campaigns.yaml'} that its deliveries could "
            "belong to. Add one; its files stay in the inbox."
        )


@dataclass(frozen=True)
class Desk:
    """Where one vendor's files are taken in."""

    lake: Lake
    pseudonyms: Pseudonyms
    sorter: Sorter

    def take(self, path: Path) -> TakenIn:
        """Take in one file."""
        before = path.stat()
        raw = keep_raw(self.pseudonyms.vault, self.pseudonyms.vendor, path)
        if self._is_known(raw.delivery_id):
            taken = TakenIn(self._known_name(path, raw), raw.delivery_id, duplicate=True)
        else:
            self.discard(raw.delivery_id)
            taken = self.enter(raw, path.name)
        if self._has_withdrawn(raw.delivery_id):
            seal(self.sorter, raw)
        after = path.stat()
        # what grew meanwhile is another delivery, and stays for the next look
        if (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns):
            path.unlink()
        return taken

    def enter(self, raw: RawCopy, name: str, received_at: datetime | None = None) -> TakenIn:
        """Write a file's rows down, those of `intake` last; ``received_at`` is now unless it came earlier."""
        with _Entry(self, raw) as entry:
            for rows in self.sorter.sort(raw):
                entry.add(rows)
            shown = _shown_name(name, raw, entry.names)
            entry.close_off(shown, entry.first_campaign or self.sorter.default_campaign)
            self.pseudonyms.remember(entry.workers)
        for receipt in entry.receipts(shown, received_at or datetime.now(UTC)):
            part = pa.Table.from_pylist([receipt], schema=TABLES["intake"].schema)
            self.lake.add("intake", {"campaign": receipt["campaign"]}, raw.delivery_id, part)
        return TakenIn(
            shown,
            raw.delivery_id,
            duplicate=False,
            campaigns=tuple(sorted(entry.good | entry.bad)),
            accepted=entry.good.total(),
            quarantined=entry.bad.total(),
            rules=dict(entry.rules),
            ignored_fields=self.sorter.ignored_fields(entry.fields, entry.names),
        )

    def discard(self, delivery_id: str) -> None:
        """Remove what a killed or an earlier intake left behind: tasks may have become known since."""
        for table in ("intake", "quarantine", "deliveries"):
            for part in self._parts(table, delivery_id):
                part.unlink()

    def _parts(self, table: str, delivery_id: str) -> list[Path]:
        campaigns = self.sorter.demands
        parts = (part for campaign in campaigns for part in self.lake.parts(table, {"campaign": campaign}))
        return [part for part in parts if part.stem == delivery_id]

    def _is_known(self, delivery_id: str) -> bool:
        rows = [row for part in self._parts("intake", delivery_id) for row in pl.read_parquet(part).to_dicts()]
        return bool(rows) and sum(row["rows"] for row in rows) == rows[0]["file_rows"]

    def _has_withdrawn(self, delivery_id: str) -> bool:
        parts = self._parts("quarantine", delivery_id)
        return any(WITHDRAWN in pl.read_parquet(part, columns=["rule"])["rule"] for part in parts)

    def _known_name(self, path: Path, raw: RawCopy) -> str:
        names = {worker for rows in self.sorter.sort(raw) for worker in rows.names}
        return _shown_name(path.name, raw, names)


class _Entry(ExitStack):
    """One file on its way into the lake: its open parts, and what is counted meanwhile."""

    def __init__(self, desk: Desk, raw: RawCopy) -> None:
        super().__init__()
        self.lake, self.raw, self.vendor = desk.lake, raw, desk.pseudonyms.vendor
        self.simulated = {campaign: demands.simulated for campaign, demands in desk.sorter.demands.items()}
        self.good, self.bad, self.rules = Counter[str](), Counter[str](), Counter[str]()
        self.workers, self.names, self.fields = set[str](), set[str](), set[str]()
        self.first_campaign: str | None = None
        self._writers: dict[tuple[str, str], Callable[[pa.Table], None]] = {}
        self._aside = _Aside(Path(self.enter_context(TemporaryDirectory(dir=raw.path.parent, prefix=".broken-"))))

    def add(self, rows: SortedRows) -> None:
        """Write some rows down."""
        self.first_campaign = self.first_campaign or rows.first_campaign
        for mine, theirs in ((self.workers, rows.workers), (self.names, rows.names), (self.fields, rows.fields)):
            mine.update(theirs)
        for own in _accepted(rows):
            campaign = own["campaign"][0]
            self.good[campaign] += own.height
            self._write("deliveries", campaign, own.with_columns(delivery_id=pl.lit(self.raw.delivery_id)))
        self._aside.put(rows.broken)

    def close_off(self, file: str, home: str) -> None:
        """Put the broken rows where they belong: to their campaign, or to the one that answers for the file."""
        marks = {"delivery_id": pl.lit(self.raw.delivery_id), "file": pl.lit(file)}
        for broken in self._aside.parts():
            whole = broken.with_columns(pl.col("campaign").fill_null(home), **marks)
            for own in whole.partition_by("campaign", maintain_order=True):
                campaign = own["campaign"][0]
                self.bad[campaign] += own.height
                self.rules.update(own["rule"].to_list())
                self._write("quarantine", campaign, own)

    def receipts(self, file: str, received_at: datetime) -> list[dict[str, Any]]:
        """Return one row of `intake` for each campaign that the file has rows of."""
        common = {
            "delivery_id": self.raw.delivery_id,
            "vendor": self.vendor,
            "file": file,
            "bytes": self.raw.bytes,
            "file_rows": self.good.total() + self.bad.total(),
            "received_at": received_at,
        }
        return [
            common
            | {"campaign": campaign, "rows": self.good[campaign] + self.bad[campaign]}
            | {"accepted": self.good[campaign], "quarantined": self.bad[campaign]}
            | {"simulated": self.simulated[campaign]}
            for campaign in sorted(self.good | self.bad)
        ]

    def _write(self, table: str, campaign: str, rows: pl.DataFrame) -> None:
        if (table, campaign) not in self._writers:
            adding = self.lake.adding(table, {"campaign": campaign}, self.raw.delivery_id)
            self._writers[table, campaign] = self.enter_context(adding)
        self._writers[table, campaign](rows.to_arrow())


@dataclass
class _Aside:
    """Broken rows, set aside until the file has been read: only then is known who answers for those without a task."""

    folder: Path
    count: int = 0

    def put(self, broken: list[Broken]) -> None:
        if broken:
            rows = [
                (one.campaign, one.number, one.defect.rule, one.defect.message, one.row, one.text) for one in broken
            ]
            pl.DataFrame(rows, schema=_ASIDE, orient="row").write_parquet(self.folder / f"{self.count:09}.parquet")
            self.count += 1

    def parts(self) -> Iterator[pl.DataFrame]:
        for path in sorted(self.folder.iterdir()):
            yield pl.read_parquet(path)


def _accepted(rows: SortedRows) -> list[pl.DataFrame]:
    """Return accepted rows as columns of `deliveries`, one frame for each campaign."""
    if not rows.accepted:
        return rows.many
    kinds = pl.DataFrame(TABLES["deliveries"].schema.empty_table()).drop("delivery_id").schema
    one_by_one = pl.DataFrame(rows.accepted, schema=kinds, orient="row")
    frames = [one_by_one, *(frame.select(one_by_one.columns) for frame in rows.many)]
    return pl.concat(frames).sort("row_number").partition_by("campaign", maintain_order=True)


def _shown_name(name: str, raw: RawCopy, names: Iterable[str]) -> str:
    """Return the file's name, or one made from its hash if it holds a worker's id."""
    telling = (worker for worker in names if len(worker) >= SHORTEST_TELLING_ID)
    return f"{raw.delivery_id[:12]}{raw.path.suffix}" if any(worker in name for worker in telling) else name
