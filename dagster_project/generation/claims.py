"""Which cell sends what: a request that several cells want is sent by one of them, and the others take its answer.

A cell claims requests before it sends them, and releases them when its answers can be found by others; what it
handed in to a Batch API stays claimed until it is back. Cells of other processes count as well. Of a cell that was
killed, whose lock is free, another takes the claims over.

Belongs here: who claimed a request. Does not belong here: waiting for it (`cell`), finding answers (`known`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from dagster_project.generation.batches.log import BatchLog
from dagster_project.generation.journal import FOLDER, while_idle
from dagster_project.generation.known import KnownAnswers
from dagster_project.generation.rebuildable import RebuildableFile

NAME = "claims.sqlite"
HASHES_AT_A_TIME = 500
_TABLES = """
create table if not exists cells (cell integer primary key, journal text unique not null, asking integer not null);
create table if not exists claims (hash blob primary key, cell integer not null) without rowid;
"""


class Claimed(NamedTuple):
    """What became of requests that a cell wants.

    ``now`` are the cell's to send, in the order asked for; ``elsewhere`` are under way for the cells of these
    journals, or of its own; ``handed_in`` are with a Batch API for another cell.
    """

    now: list[str]
    elsewhere: dict[str, Path]
    handed_in: set[str]


class _Claim(NamedTuple):
    """Whose a request is, by the cell's journal; ``asking`` until the cell released what it sends itself."""

    journal: Path
    asking: bool


class Claims:
    """The claims of all cells under way. If its file is lost, some requests may be sent twice; no answer is lost.

    Args:
        lake_root: the lake's folder.
        known: takes in what a killed cell has answered, before its claims are taken over.
    """

    def __init__(self, lake_root: Path, known: KnownAnswers) -> None:
        self._folder = lake_root / FOLDER
        self._known = known
        self._file = RebuildableFile(self._folder / NAME, _TABLES, "the list of requests under way")

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def claim(self, own: Path, hashes: Collection[str]) -> Claimed:
        """Claim for a cell at work those requests that no other cell has.

        Raises:
            SteerworksError: the disk does not take it.
        """
        mine, claims = self._claim(own, hashes)
        others = {claim.journal for claim in claims.values() if claim.asking} - {own}
        if killed := {journal for journal in others if self._is_taken_over(journal)}:
            left_behind = [key for key, claim in claims.items() if claim.journal in killed]
            taken_over, still_claimed = self._claim(own, left_behind)
            mine |= taken_over
            claims = {key: claim for key, claim in claims.items() if claim.journal not in killed} | still_claimed
        elsewhere = {key: claim.journal for key, claim in claims.items() if claim.asking}
        now = [key for key in hashes if key in mine]
        return Claimed(now, elsewhere, handed_in=set(claims) - set(elsewhere))

    def handed_in(self, hashes: Collection[str]) -> set[str]:
        """Return those requests that are claimed as handed in to a Batch API, for whichever cell.

        Raises:
            SteerworksError: the disk does not let it be asked.
        """
        keys = [bytes.fromhex(key) for key in hashes]
        found: set[str] = set()
        for first in range(0, len(keys), HASHES_AT_A_TIME):
            found |= self._file.do(partial(_handed_in, keys[first : first + HASHES_AT_A_TIME]))
        return found

    def release(self, own: Path) -> None:
        """Give up the claims of a cell, but for those that its log of batches has outstanding.

        Raises:
            SteerworksError: the disk does not take it, or the log is unreadable.
        """
        self._file.do(partial(_drop, self._name(own)))
        if handed_in := BatchLog(own).requests_outstanding:
            self._claim(own, handed_in, asking=False)

    def are_released(self, journal: Path) -> bool:
        """Say whether a cell has released what it sends itself; if it was killed, it is done for it."""
        name = self._name(journal)
        asking = "select 1 from cells where journal = ? and asking"
        return not self._file.do(lambda file: file.execute(asking, [name]).fetchone()) or self._is_taken_over(journal)

    def _is_taken_over(self, journal: Path) -> bool:
        with while_idle(journal) as idle:
            if idle:
                self._known.take_in(journal)
                self.release(journal)
            return idle

    def _claim(self, own: Path, hashes: Collection[str], asking: bool = True) -> tuple[set[str], dict[str, _Claim]]:
        """Claim what nobody has; return that, and whose the others are."""
        now: set[str] = set()
        others: dict[str, _Claim] = {}
        keys = [bytes.fromhex(key) for key in hashes]
        for first in range(0, len(keys), HASHES_AT_A_TIME):
            some = keys[first : first + HASHES_AT_A_TIME]
            new, old = self._file.do(partial(_insert, self._name(own), some, asking))
            now |= {key.hex() for key in new}
            others |= {key.hex(): _Claim(self._folder / name, bool(is_asking)) for key, name, is_asking in old}
        return now, others

    def _name(self, journal: Path) -> str:
        return str(journal.relative_to(self._folder))


def _insert(
    journal: str, keys: Sequence[bytes], asking: bool, file: sqlite3.Connection
) -> tuple[set[bytes], list[tuple[bytes, str, int]]]:
    """Insert claims; return those that are new, and whose the others are."""
    upsert = "insert into cells (journal, asking) values (?, ?) on conflict do update set asking = excluded.asking"
    [cell] = file.execute(f"{upsert} returning cell", [journal, asking]).fetchall()[0]
    rows = ",".join(["(?,?)"] * len(keys))
    values = [value for key in keys for value in (key, cell)]
    new = {key for (key,) in file.execute(f"insert or ignore into claims values {rows} returning hash", values)}
    old = [key for key in keys if key not in new]
    marks = ",".join("?" * len(old))
    whose = f"select hash, journal, asking from claims join cells using (cell) where hash in ({marks})"
    return new, file.execute(whose, old).fetchall() if old else []


def _handed_in(keys: Sequence[bytes], file: sqlite3.Connection) -> set[str]:
    marks = ",".join("?" * len(keys))
    query = f"select hash from claims join cells using (cell) where not asking and hash in ({marks})"
    return {key.hex() for (key,) in file.execute(query, keys)}


def _drop(journal: str, file: sqlite3.Connection) -> None:
    file.execute("delete from claims where cell in (select cell from cells where journal = ?)", [journal])
    file.execute("delete from cells where journal = ?", [journal])
