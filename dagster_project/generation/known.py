"""What is known already: finding answers by request hash over all journals of the lake.

The journals are the truth. Beside them lies an index, ``journal/index.sqlite``, that says where each hash
stands; it is brought up to date by reading what was added to the journals since, and made again if it is lost.

Belongs here: the index, and reading answers through it. Does not belong here: writing journals.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Collection, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from dagster_project.errors import SteerworksError
from dagster_project.generation.answers import HASH_IN_LINE, Answer, status_in_line
from dagster_project.generation.journal import FOLDER, journals, no_answer
from dagster_project.generation.rebuildable import RebuildableFile

NAME = "index.sqlite"
SECONDS_BETWEEN_LOOKS_AT_ALL = 5.0
LINES_AT_A_TIME = 2_000
HASHES_AT_A_TIME = 500
HASH_BYTES = 32
OPEN_JOURNALS = 16
_TABLES = """
create table if not exists journals (journal integer primary key, path text unique not null, bytes integer not null);
create table if not exists answers (
    hash blob not null, journal integer not null, start integer not null, bytes integer not null, ok integer not null,
    primary key (hash, journal)
) without rowid;
create table if not exists unreadable (
    journal integer not null, start integer not null, primary key (journal, start)
) without rowid;
"""


class _Place(NamedTuple):
    """Where a line stands; a journal goes by its name below the folder of all of them."""

    journal: str
    start: int
    size: int
    ok: bool


class KnownAnswers:
    """The answers of all journals, by request hash. Memory does not grow with them.

    Args:
        lake_root: the lake's folder.
        warn: called, once for each, with a line of another cell's journal that is no answer, and is left out; None if
            such a line is to be an error.
    """

    def __init__(self, lake_root: Path, warn: Callable[[str], None] | None = None) -> None:
        self._warn = warn
        self._warned: set[tuple[Path, int]] = set()
        self._folder = lake_root / FOLDER
        self._lake_root = lake_root
        self._files: dict[str, int] = {}
        self._looked_at_all = -SECONDS_BETWEEN_LOOKS_AT_ALL
        self._index = RebuildableFile(self._folder / NAME, _TABLES, "the index of the journals")

    def close(self) -> None:
        """Close the index and the journals."""
        self._index.close()
        self._close_journals()

    def refresh(self, own: Path) -> None:
        """Take in what was added to a journal, and now and then to all others.

        Raises:
            SteerworksError: a whole line of the journal is no answer, or the disk is full.
        """
        self.take_in(own)
        for path, start in self._unreadable():
            if path == own or not self._warn:
                raise _no_answer_at(path, start)
            self._warn_of(path, start)

    def take_in(self, journal: Path) -> None:
        """Take in what was added to a journal, and now and then to all others, but for lines that are no answers.

        Raises:
            SteerworksError: the disk is full.
        """
        try:
            self._take_in_now(journal)
        except sqlite3.DatabaseError as error:
            self._make_again(error)
            self._take_in_now(journal)

    def _take_in_now(self, journal: Path) -> None:
        now = time.monotonic()
        for path in {path for path, _ in self._unreadable() if path == journal or not self._warn}:
            self._drop(path)  # perhaps it was mended
        if now - self._looked_at_all >= SECONDS_BETWEEN_LOOKS_AT_ALL:
            self._looked_at_all = now
            self._take_in(journals(self._lake_root), all_of_them=True)
        elif journal.exists():
            self._take_in([journal])

    def statuses(self, own: Path, hashes: Collection[str]) -> dict[str, bool]:
        """Return for each known hash whether it has an answer (True), or in the cell's own journal a failure."""
        return {key: places[0].ok for key, places in self._places(own, hashes).items()}

    def find(self, own: Path, hashes: Collection[str]) -> dict[str, Answer]:
        """Return what is known of some requests, by request hash.

        The cell's own journal comes first, with its failures. Other journals give answers, the earliest of
        each; not failures, for the endpoint may have been mended since it refused.

        Raises:
            SteerworksError: a line of the cell's own journal is no answer.
        """
        found = {key: self._read(own, key, places) for key, places in self._places(own, hashes).items()}
        moved = [key for key, answers in found.items() if answers is None]
        if moved:  # somebody edited a journal: its lines stand elsewhere now
            self._forget()
            self.refresh(own)
            found |= {key: self._read(own, key, places) for key, places in self._places(own, moved).items()}
        return {key: min(answers, key=lambda each: str(each.answered_at)) for key, answers in found.items() if answers}

    def _places(self, own: Path, hashes: Collection[str]) -> dict[str, list[_Place]]:
        """Return where each known hash stands: one place, or several of equal rank."""
        try:
            return self._look_up(own, hashes)
        except sqlite3.DatabaseError as error:
            self._make_again(error)
            self._take_in_now(own)
            return self._look_up(own, hashes)

    def _look_up(self, own: Path, hashes: Collection[str]) -> dict[str, list[_Place]]:
        known: dict[str, list[_Place]] = {}
        wanted = list(hashes)
        for first in range(0, len(wanted), HASHES_AT_A_TIME):
            some = [bytes.fromhex(key) for key in wanted[first : first + HASHES_AT_A_TIME]]
            marks = ",".join("?" * len(some))
            rows = self._index.rows(
                "select hash, path, start, answers.bytes, ok from answers join journals using (journal) "
                f"where hash in ({marks}) order by path, start",
                some,
            )
            for key, journal, start, size, ok in rows:
                known.setdefault(key.hex(), []).append(_Place(journal, start, size, bool(ok)))
        own_name = self._name(own)
        ranked = {key: _best(own_name, places) for key, places in known.items()}
        return {key: places for key, places in ranked.items() if places}

    def _read(self, own: Path, key: str, places: list[_Place]) -> list[Answer] | None:
        """Return the answers at some places; None if a journal no longer has one there."""
        answers = []
        for place in places:
            try:
                answer = self._answer_at(key, place)
            except SteerworksError:
                if place.journal == self._name(own) or not self._warn:
                    raise
                self._leave_out(place)
                continue
            if answer is None:
                return None
            answers.append(answer)
        return answers

    def _answer_at(self, key: str, place: _Place) -> Answer | None:
        line = os.pread(self._file(place.journal), place.size, place.start)
        if line[HASH_IN_LINE] != key.encode() or not line.endswith(b"\n"):
            return None
        try:
            return Answer.from_line(line)
        except ValueError:
            raise _no_answer_at(self._folder / place.journal, place.start) from None

    def _file(self, journal: str) -> int:
        if journal not in self._files:
            if len(self._files) >= OPEN_JOURNALS:
                self._close_journals()
            self._files[journal] = os.open(self._folder / journal, os.O_RDONLY)
        return self._files[journal]

    def _name(self, journal: Path) -> str:
        return str(journal.relative_to(self._folder))

    def _close_journals(self) -> None:
        for file in self._files.values():
            os.close(file)
        self._files.clear()

    def _take_in(self, paths: Collection[Path], all_of_them: bool = False) -> None:
        known = {path: (journal, size) for journal, path, size in self._index.rows("select * from journals")}
        names = {self._name(path): path for path in paths}
        for name in sorted(set(known) - set(names)) if all_of_them else ():
            self._drop(self._folder / name)
        for name, path in names.items():
            size = path.stat().st_size
            taken = known.get(name, (0, 0))[1]
            if size < taken or not _ends_a_line(path, taken):  # somebody edited it
                self._drop(path)
                taken = 0
            if size > taken:
                self._take_in_lines(name, path)

    def _take_in_lines(self, name: str, path: Path) -> None:
        more = True
        while more:
            with self._index.change() as index:
                index.execute("insert or ignore into journals (path, bytes) values (?, 0)", [name])
                select = "select journal, bytes from journals where path = ?"
                journal, start = index.execute(select, [name]).fetchone()
                rows, unreadable, end = [], [], start
                for line in islice(_whole_lines(path, start), LINES_AT_A_TIME):
                    if heading := _read_heading(line):
                        rows.append((heading[0], journal, end, len(line), heading[1]))
                    else:
                        unreadable.append((journal, end))
                    end += len(line)
                # An answer that came after a failure of the same journal counts; otherwise the first line does.
                index.executemany(
                    "insert into answers values (?, ?, ?, ?, ?) on conflict do update "
                    "set start = excluded.start, bytes = excluded.bytes, ok = 1 where excluded.ok and not answers.ok",
                    rows,
                )
                index.executemany("insert or ignore into unreadable values (?, ?)", unreadable)
                index.execute("update journals set bytes = ? where journal = ?", [end, journal])
            more = len(rows) + len(unreadable) == LINES_AT_A_TIME

    def _unreadable(self) -> list[tuple[Path, int]]:
        """Return the places of lines that are no answers."""
        rows = self._index.rows("select path, start from unreadable join journals using (journal) order by path, start")
        return [(self._folder / path, start) for path, start in rows]

    def _leave_out(self, place: _Place) -> None:
        """Take a line for none that is less of an answer than it began; its request is asked again."""
        self._warn_of(self._folder / place.journal, place.start)
        with self._index.change() as index:
            select = "select journal from journals where path = ?"
            [journal] = index.execute(select, [place.journal]).fetchone()
            index.execute("delete from answers where journal = ? and start = ?", [journal, place.start])
            index.execute("insert or ignore into unreadable values (?, ?)", [journal, place.start])

    def _warn_of(self, path: Path, start: int) -> None:
        if self._warn and (path, start) not in self._warned:
            self._warned.add((path, start))
            self._warn(f"{_no_answer_at(path, start)} Until then it is left out.")

    def _drop(self, path: Path) -> None:
        with self._index.change() as index:
            this_one = "where journal in (select journal from journals where path = ?)"
            for table in ("answers", "unreadable", "journals"):
                index.execute(f"delete from {table} {this_one}", [self._name(path)])

    def _forget(self) -> None:
        self._close_journals()
        with self._index.change() as index:
            for table in ("answers", "unreadable", "journals"):
                index.execute(f"delete from {table}")
        self._looked_at_all = -SECONDS_BETWEEN_LOOKS_AT_ALL

    def _make_again(self, error: sqlite3.DatabaseError) -> None:
        self._index.mend(error)
        self._looked_at_all = -SECONDS_BETWEEN_LOOKS_AT_ALL


def _best(own: str, places: list[_Place]) -> list[_Place]:
    mine = [place for place in places if place.journal == own]
    return mine or [place for place in places if place.ok]


def _ends_a_line(path: Path, position: int) -> bool:
    if not position:
        return True
    with path.open("rb") as file:
        file.seek(position - 1)
        return file.read(1) == b"\n"


def _whole_lines(path: Path, start: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(start)
        for line in file:
            if not line.endswith(b"\n"):
                return
            yield line


def _read_heading(line: bytes) -> tuple[bytes, bool] | None:
    """Return a line's request hash and whether it is an answer; None if it is not about a request."""
    try:
        key = bytes.fromhex(line[HASH_IN_LINE].decode("ascii"))
        return (key, status_in_line(line) == "ok") if len(key) == HASH_BYTES else None
    except ValueError:
        return None


def _no_answer_at(path: Path, start: int) -> SteerworksError:
    """Return the error about the line that begins at a place of a journal."""
    with path.open("rb") as file:
        number = 1
        while file.tell() < start and file.readline():
            number += 1
        try:
            Answer.from_line(file.readline())
        except ValueError as error:
            return no_answer(path, number, error)
    return no_answer(path, number, ValueError("it has changed meanwhile"))
