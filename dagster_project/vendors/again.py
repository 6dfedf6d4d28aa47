"""Quarantined rows taken again, from the vault, after a mapping or the code was mended.

Belongs here: which files are read once more, and what came of it. Does not belong here: reading them (`intake`).

A file is read again as a whole, as if it had come now: what it gives is always a function of its bytes and of the
configuration. A closed campaign is decided, so files with rows of one stay as they are.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import polars as pl
from filelock import FileLock

from dagster_project.lake import Lake
from dagster_project.settings import Settings
from dagster_project.vendors.campaigns import is_closed
from dagster_project.vendors.identities import Pseudonyms
from dagster_project.vendors.intake import Desk, take_in
from dagster_project.vendors.sealing import is_sealed
from dagster_project.vendors.sorting import Sorter
from dagster_project.vendors.vault import RawCopy
from dagster_project.whole_files import PRIVATE, write_whole


@dataclass(frozen=True)
class TakenAgain:
    """What came of reading a file again: its quarantined annotations before and after.

    ``left_alone`` says why it was not read.
    """

    file: str
    campaigns: tuple[str, ...]
    before: int
    after: int
    left_alone: str | None = None


def take_again(lake: Lake, settings: Settings, vendor: str) -> list[TakenAgain]:
    """Read a vendor's files that have quarantined rows once more; safe to repeat, and after a kill.

    Raises:
        SteerworksError: as `take_in`.
    """
    take_in(lake, settings, vendor)  # what waits in the inbox comes first, and raises what there is to raise
    pseudonyms = Pseudonyms.of_vendor(settings, vendor)
    with FileLock(pseudonyms.vault / f".intake-{vendor}.lock"):
        desk = Desk(lake, pseudonyms, Sorter.of_vendor(lake, settings, vendor, pseudonyms))
        return [_read_again(lake, desk, file) for file in _quarantined(lake, pseudonyms.vault, vendor)]


@dataclass(frozen=True)
class _File:
    """A file with quarantined rows, as it was taken in."""

    vendor: str
    delivery_id: str
    name: str
    campaigns: tuple[str, ...]
    quarantined: int
    received_at: datetime

    def as_json(self) -> str:
        """Return the file as `from_json` reads it."""
        return json.dumps(asdict(self) | {"received_at": self.received_at.isoformat()})

    @classmethod
    def from_json(cls, text: str) -> _File:
        """Return what `as_json` wrote."""
        fields = json.loads(text)
        moment, campaigns = datetime.fromisoformat(fields["received_at"]), tuple(fields["campaigns"])
        return cls(**{**fields, "received_at": moment, "campaigns": campaigns})


def _quarantined(lake: Lake, vault: Path, vendor: str) -> Iterator[_File]:
    """Yield the files that have quarantined rows, and those whose reading again was cut short, oldest first."""
    receipts = lake.read("intake").filter(vendor=vendor)
    grouped = receipts.group_by("delivery_id").agg(
        pl.col("file").first(), pl.col("campaign").sort(), pl.col("quarantined").sum(), pl.col("received_at").first()
    )
    files = {
        row["delivery_id"]: _File(
            vendor, row["delivery_id"], row["file"], tuple(row["campaign"]), row["quarantined"], row["received_at"]
        )
        for row in grouped.sort("received_at", "delivery_id").iter_rows(named=True)
    }
    for note in sorted((vault / "deliveries" / vendor).glob(".again-*.json")):
        noted = _File.from_json(note.read_text())
        files[noted.delivery_id] = noted
    yield from (file for file in files.values() if file.quarantined)


def _read_again(lake: Lake, desk: Desk, file: _File) -> TakenAgain:
    def left_alone(reason: str) -> TakenAgain:
        return TakenAgain(file.name, file.campaigns, file.quarantined, file.quarantined, reason)

    folder = desk.pseudonyms.vault / "deliveries" / file.vendor
    raw = next(iter(sorted(folder.glob(f"{file.delivery_id}*"))), None)
    if closed := [campaign for campaign in file.campaigns if is_closed(lake, campaign)]:
        return left_alone(f"its campaign {closed[0]} is closed")
    if raw is None:
        return left_alone("it is not in the vault any more")
    if is_sealed(raw):
        return left_alone("a withdrawal took rows out of it: have what is to be mended delivered in another file")
    note = folder / f".again-{file.delivery_id}.json"
    # a kill between here and the end leaves the note, and with it the file to be read again
    write_whole(note, file.as_json().encode(), PRIVATE)
    desk.discard(file.delivery_id)
    copy = RawCopy(raw, file.delivery_id, raw.stat().st_size)
    taken = desk.enter(copy, file.name, file.received_at)
    note.unlink()
    return TakenAgain(taken.file, taken.campaigns, file.quarantined, taken.quarantined)
