"""What is known already: finding answers by request hash over all journals of the lake.

The journals are the truth. Beside them lies an index, ``journal/index.sqlite``, that says where each hash
stands; it is brought up to date by reading what was added to the journals since, and made again if it is lost.

Belongs here: the index, and reading answers through it. Does not belong here: writing journals.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from dagster_project.generation.answers import HASH_IN_LINE, Answer, status_in_line
from dagster_project.generation.journal import FOLDER, journals, no_answer
from dagster_project.generation.rebuildable import RebuildableFile

NAME = "index.sqlite"
SECONDS_BETWEEN_LOOKS_AT_ALL = 5.0
LINES_AT_A_TIME = 2_000
HASHES_AT_A_TIME = 500
OPEN_JOURNALS = 16
_TABLES = """
create table if not exists journals (journal integer primary key, path text unique not null, bytes integer not null);
create table if not exists answers (
    hash blob not null, journal integer not null, start integer not null, bytes integer not null, ok integer not null,
    primary key (hash, journal)
) without rowid;
"""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a line stands."""

    path: Path
    start: int
    bytes: int
    ok: bool


class KnownAnswers:
    """The answers of all journals, by request hash. Memory does not grow with them.

    Args:
        lake_root: the lake's folder.
    """

    def __init__(self, lake_root: Path) -> None:
        self._folder = lake_root / FOLDER
        self._lake_root = lake_root
        self._folder.mkdir(parents=True, exist_ok=True)
        self._files: dict[Path, int] = {}
        self._looked_at_all = -SECONDS_BETWEEN_LOOKS_AT_ALL
        self._index = RebuildableFile(self._folder / NAME, _TABLES, "the index of the journals")

    def close(self) -> None:
        """Close the index and the journals."""
        self._index.close()
        self._close_journals()

    def refresh(self, own: Path) -> None:
        """Take in what was added to a journal, and now and then to all others.

        Raises:
            SteerworksError: a whole line of a journal is no answer, or the disk is full.
        """
        try:
            self._refresh(own)
        except sqlite3.DatabaseError as error:
            self._make_again(error)
            self._refresh(own)

    def _refresh(self, own: Path) -> None:
        now = time.monotonic()
        if now - self._looked_at_all >= SECONDS_BETWEEN_LOOKS_AT_ALL:
            self._looked_at_all = now
            self._take_in(journals(self._lake_root), all_of_them=True)
        elif own.exists():
            self._take_in([own])

    def statuses(self, own: Path, hashes: Collection[str]) -> dict[str, bool]:
        """Return for each known hash whether it has an answer (True), or in the cell's own journal a failure."""
        return {key: places[0].ok for key, places in self._places(own, hashes).items()}

    def find(self, own: Path, hashes: Collection[str]) -> dict[str, Answer]:
        """Return what is known of some requests, by request hash.

        The cell's own journal comes first, with its failures. Other journals give answers, the earliest of
        each; not failures, for the endpoint may have been mended since it refused.

        Raises:
            SteerworksError: a line is no answer.
        """
        found = {key: self._read(key, places) for key, places in self._places(own, hashes).items()}
        moved = [key for key, answer in found.items() if answer is None]
        if moved:  # somebody edited a journal: its lines stand elsewhere now
            self._forget()
            self.refresh(own)
            found |= {key: self._read(key, places) for key, places in self._places(own, moved).items()}
        return {key: answer for key, answer in found.items() if answer is not None}

    def _places(self, own: Path, hashes: Collection[str]) -> dict[str, list[_Place]]:
        """Return where each known hash stands: one place, or several of equal rank."""
        try:
            return self._look_up(own, hashes)
        except sqlite3.DatabaseError as error:
            self._make_again(error)
            self._refresh(own)
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
            for key, path, start, size, ok in rows:
                known.setdefault(key.hex(), []).append(_Place(self._folder / path, start, size, bool(ok)))
        ranked = {key: _best(own, places) for key, places in known.items()}
        return {key: places for key, places in ranked.items() if places}

    def _read(self, key: str, places: list[_Place]) -> Answer | None:
        """Return the earliest answer of some places; None if the journal no longer has it there."""
        answers = [self._answer_at(key, place) for place in places]
        if any(answer is None for answer in answers):
            return None
        return min((a for a in answers if a is not None), key=lambda answer: str(answer.answered_at))

    def _answer_at(self, key: str, place: _Place) -> Answer | None:
        line = os.pread(self._file(place.path), place.bytes, place.start)
        if line[HASH_IN_LINE] != key.encode() or not line.endswith(b"\n"):
            return None
        try:
            return Answer.from_line(line)
        except (ValueError, TypeError):
            raise no_answer(place.path, _line_number(place.path, place.start)) from None

    def _file(self, path: Path) -> int:
        if path not in self._files:
            if len(self._files) >= OPEN_JOURNALS:
                self._close_journals()
            self._files[path] = os.open(path, os.O_RDONLY)
        return self._files[path]

    def _close_journals(self) -> None:
        for file in self._files.values():
            os.close(file)
        self._files.clear()

    def _take_in(self, paths: Collection[Path], all_of_them: bool = False) -> None:
        known = {path: (journal, size) for journal, path, size in self._index.rows("select * from journals")}
        names = {str(path.relative_to(self._folder)): path for path in paths}
        for name in sorted(set(known) - set(names)) if all_of_them else ():
            self._drop(known[name][0])
        for name, path in names.items():
            size = path.stat().st_size
            taken = known.get(name, (0, 0))[1]
            if size < taken or not _ends_a_line(path, taken):  # somebody edited it
                self._drop(known[name][0])
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
                rows, end = [], start
                for line in _whole_lines(path, start):
                    key, ok = _read_heading(path, end, line)
                    rows.append((key, journal, end, len(line), ok))
                    end += len(line)
                    if len(rows) == LINES_AT_A_TIME:
                        break
                # An answer that came after a failure of the same journal counts; otherwise the first line does.
                index.executemany(
                    "insert into answers values (?, ?, ?, ?, ?) on conflict do update "
                    "set start = excluded.start, bytes = excluded.bytes, ok = 1 where excluded.ok and not answers.ok",
                    rows,
                )
                index.execute("update journals set bytes = ? where journal = ?", [end, journal])
            more = len(rows) == LINES_AT_A_TIME

    def _drop(self, journal: int) -> None:
        with self._index.change() as index:
            index.execute("delete from answers where journal = ?", [journal])
            index.execute("delete from journals where journal = ?", [journal])

    def _forget(self) -> None:
        self._close_journals()
        with self._index.change() as index:
            index.execute("delete from answers")
            index.execute("delete from journals")
        self._looked_at_all = -SECONDS_BETWEEN_LOOKS_AT_ALL

    def _make_again(self, error: sqlite3.DatabaseError) -> None:
        self._index.mend(error)
        self._looked_at_all = -SECONDS_BETWEEN_LOOKS_AT_ALL


def _best(own: Path, places: list[_Place]) -> list[_Place]:
    mine = [place for place in places if place.path == own]
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


def _read_heading(path: Path, start: int, line: bytes) -> tuple[bytes, bool]:
    """Return a line's request hash and whether it is an answer."""
    try:
        return bytes.fromhex(line[HASH_IN_LINE].decode("ascii")), status_in_line(line) == "ok"
    except (ValueError, LookupError, TypeError):
        raise no_answer(path, _line_number(path, start)) from None


def _line_number(path: Path, start: int) -> int:
    with path.open("rb") as file:
        return 1 + sum(1 for line in iter(file.readline, b"") if file.tell() <= start)
