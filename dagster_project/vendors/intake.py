"""Deliveries in: each settled file of a vendor's inbox becomes rows of the lake, exactly once.

Belongs here: the order of effects. Does not belong here: which rows are accepted (`sorting`), or
which of several ratings counts (`merging`).

The order makes a kill at any moment harmless. First the bytes are copied into the vault, then the
map of workers, then accepted and quarantined rows, then the rows of `intake`, then the file leaves
the inbox. A delivery is known once its rows of `intake` account for all rows of its file; until
then it is taken in anew, whole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
from filelock import FileLock

from dagster_project.errors import SteerworksError
from dagster_project.lake import TABLES, Lake
from dagster_project.settings import Settings
from dagster_project.vendors.identities import Pseudonyms
from dagster_project.vendors.inbox import pending
from dagster_project.vendors.sorting import SHORTEST_TELLING_ID, SortedFile, Sorter
from dagster_project.vendors.vault import RawCopy, keep_raw


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
        desk = _Desk(lake, pseudonyms, Sorter.of_vendor(lake, settings, vendor, pseudonyms))
        return [desk.take(path) for path in pending(settings.home, settings.vendors, vendor)]


def _require_campaigns(settings: Settings, vendor: str) -> None:
    if vendor not in settings.vendors.vendors:
        raise SteerworksError(
            f"there is no vendor `{vendor}` in {settings.folder / 'vendors.yaml'}; it has: "
            f"{', '.join(sorted(settings.vendors.vendors))}. Add it, or rename its folder in the inbox."
        )
    if not any(campaign.vendor == vendor for campaign in settings.campaigns.values()):
        raise SteerworksError(
            f"vendor `{vendor}` has no campaign in {settings.folder / 'campaigns.yaml'} that its deliveries could "
            "belong to. Add one; its files stay in the inbox."
        )


@dataclass(frozen=True)
class _Desk:
    """Where one vendor's files are taken in."""

    lake: Lake
    pseudonyms: Pseudonyms
    sorter: Sorter

    def take(self, path: Path) -> TakenIn:
        """Take in one file."""
        before = path.stat()
        raw = keep_raw(self.pseudonyms.vault, self.pseudonyms.vendor, path)
        if self._is_known(raw.delivery_id):
            taken = TakenIn(_shown_name(path, raw, self.sorter.sort(raw.path).names), raw.delivery_id, duplicate=True)
        else:
            self._discard_unfinished(raw.delivery_id)
            taken = self._enter(path, raw, self.sorter.sort(raw.path))
        after = path.stat()
        # what grew meanwhile is another delivery, and stays for the next look
        if (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns):
            path.unlink()
        return taken

    def _parts(self, table: str, delivery_id: str) -> list[Path]:
        campaigns = self.sorter.demands
        parts = (part for campaign in campaigns for part in self.lake.parts(table, {"campaign": campaign}))
        return [part for part in parts if part.stem == delivery_id]

    def _is_known(self, delivery_id: str) -> bool:
        rows = [row for part in self._parts("intake", delivery_id) for row in pl.read_parquet(part).to_dicts()]
        return bool(rows) and sum(row["rows"] for row in rows) == rows[0]["file_rows"]

    def _discard_unfinished(self, delivery_id: str) -> None:
        """Remove what a killed intake left behind: tasks may have become known since."""
        for table in ("intake", "quarantine", "deliveries"):
            for part in self._parts(table, delivery_id):
                part.unlink()

    def _enter(self, path: Path, raw: RawCopy, rows: SortedFile) -> TakenIn:
        """Write a file's rows down, those of `intake` last."""
        name = _shown_name(path, raw, rows.names)
        home = rows.first_campaign or self.sorter.default_campaign
        accepted = [{**row, "delivery_id": raw.delivery_id} for row in rows.accepted]
        quarantined: list[dict[str, Any]] = [
            {"campaign": campaign or home, "delivery_id": raw.delivery_id, "file": name}
            | {"row_number": number, "rule": defect.rule, "message": defect.message}
            for campaign, number, defect in rows.broken
        ]
        self.pseudonyms.remember(rows.workers)
        self._add("deliveries", accepted)
        self._add("quarantine", quarantined)
        self._add("intake", self._receipts(raw, name, accepted, quarantined))
        return TakenIn(
            name,
            raw.delivery_id,
            duplicate=False,
            campaigns=tuple(sorted({row["campaign"] for row in accepted + quarantined})),
            accepted=len(accepted),
            quarantined=len(quarantined),
            rules=dict(Counter(row["rule"] for row in quarantined)),
            ignored_fields=self.sorter.ignored_fields(rows),
        )

    def _receipts(
        self, raw: RawCopy, name: str, accepted: list[dict[str, Any]], quarantined: list[dict[str, Any]]
    ) -> list[dict[str, Any]]:
        """Return one row of `intake` for each campaign that the file has rows of."""
        good, bad = (Counter(row["campaign"] for row in rows) for rows in (accepted, quarantined))
        common = {
            "delivery_id": raw.delivery_id,
            "vendor": self.pseudonyms.vendor,
            "file": name,
            "bytes": raw.bytes,
            "file_rows": len(accepted) + len(quarantined),
            "received_at": datetime.now(UTC),
        }
        return [
            common
            | {"campaign": campaign, "rows": good[campaign] + bad[campaign]}
            | {"accepted": good[campaign], "quarantined": bad[campaign]}
            | {"simulated": self.sorter.demands[campaign].simulated}
            for campaign in sorted(good | bad)
        ]

    def _add(self, table: str, rows: Iterable[dict[str, Any]]) -> None:
        by_campaign: dict[str, list[dict[str, Any]]] = {}
        for row in rows:
            by_campaign.setdefault(row["campaign"], []).append(row)
        for campaign, own in by_campaign.items():
            part = pa.Table.from_pylist(own, schema=TABLES[table].schema)
            self.lake.add(table, {"campaign": campaign}, own[0]["delivery_id"], part)


def _shown_name(path: Path, raw: RawCopy, names: Iterable[str]) -> str:
    """Return the file's name, or one made from its hash if it holds a worker's id."""
    telling = (name for name in names if len(name) >= SHORTEST_TELLING_ID)
    return f"{raw.delivery_id[:12]}{path.suffix}" if any(name in path.name for name in telling) else path.name
