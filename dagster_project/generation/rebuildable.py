"""SQLite files beside the journals that may be lost: what they hold can be made again, or done without.

Belongs here: opening them, also when a crash spoiled them, and changing them. Does not belong here: what they hold.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock

from dagster_project.errors import SteerworksError

SECONDS_FOR_ANOTHER_PROCESS = 600

T = TypeVar("T")


class RebuildableFile:
    """A SQLite file that several processes share.

    Args:
        path: of the file; its folder exists.
        tables: SQL that makes them where they are missing.
        purpose: what the file is, for messages.

    Raises:
        SteerworksError: the disk does not let it be opened.
    """

    def __init__(self, path: Path, tables: str, purpose: str) -> None:
        self._path = path
        self._tables = tables
        self._purpose = purpose
        self._file = self._open()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return what a query finds.

        Raises:
            sqlite3.DatabaseError: the file is spoiled; `mend` it, and fill it again.
        """
        return self._file.execute(query, values).fetchall()

    @contextmanager
    def change(self) -> Iterator[sqlite3.Connection]:
        """Change the file, as a whole or not at all; no other process changes it meanwhile.

        Raises:
            SteerworksError: the disk does not take it.
        """
        try:
            self._file.execute("begin immediate")
            try:
                yield self._file
            except BaseException:
                self._file.execute("rollback")
                raise
            self._file.execute("commit")
        except sqlite3.OperationalError as error:
            raise SteerworksError(
                f"{self._path}: {self._purpose} cannot be written ({error}). Free or repair the disk, and start "
                "again: the answers before are kept."
            ) from error

    def do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Change the file, and once more if it turns out to be spoiled: for content that can be done without.

        Raises:
            SteerworksError: the disk does not take it.
        """
        try:
            with self.change() as file:
                return work(file)
        except sqlite3.DatabaseError as error:
            self.mend(error)
        with self.change() as file:
            return work(file)

    def mend(self, error: sqlite3.DatabaseError) -> None:
        """Begin a file anew that turns out to be spoiled; whatever else is wrong with it stays an error."""
        if isinstance(error, sqlite3.OperationalError):
            raise error
        self._file.close()
        self._file = self._begin_anew()

    def _open(self) -> sqlite3.Connection:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # SQLite waits for nobody when it turns a new file into one for several processes.
            with FileLock(self._path.with_suffix(".lock")):
                return self._open_alone()
        except (OSError, sqlite3.OperationalError) as error:
            raise SteerworksError(
                f"{self._path}: {self._purpose} cannot be opened ({error}). Repair the disk, or delete the file, "
                "which is made again from the journals; and start again."
            ) from error

    def _open_alone(self) -> sqlite3.Connection:
        try:
            return self._connect()
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:
            return self._begin_anew()

    def _begin_anew(self) -> sqlite3.Connection:
        for path in self._path.parent.glob(f"{self._path.name}*"):
            path.unlink()
        return self._connect()

    def _connect(self) -> sqlite3.Connection:
        file = sqlite3.connect(self._path, timeout=SECONDS_FOR_ANOTHER_PROCESS, isolation_level=None)
        # What a crash takes from it is not missed: see above.
        file.executescript("pragma journal_mode = wal; pragma synchronous = off;" + self._tables)
        file.execute("select count(*) from sqlite_schema").fetchone()
        return file
