"""Numbers that all processes of one home share, in a small file under a lock.

Each process that takes part has a row of its own in the file, and holds a lock on that row for as long as it lives.
So the row of a process that is gone is known by its lock, and whoever looks next settles what it left.

Belongs here: the file, its locks, and who is still alive. Does not belong here: what the numbers mean.
"""

from __future__ import annotations

import fcntl
import math
import mmap
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

from dagster_project.errors import SteerworksError

MOST_PROCESSES = 64
NUMBER_BYTES = 8
_GUARD = 0
_ROW_LOCKS = 1 << 20
"""Locks of rows lie on bytes behind the end of the file, where no content is."""

Inherit = Callable[[list[float], list[float]], None]
"""Takes the shared numbers, and the row of a process that is gone; changes the shared ones if the row left a debt."""


class SharedState:
    """Some shared numbers, and a row of numbers for each process; all are 0 at first. Made by `shared_state`.

    A context manager: inside ``with state:`` nobody else reads or writes the file, and the attributes may be read and
    changed; they are written back at the end.

    Attributes:
        shared: the shared numbers.
        mine: this process's row.
        others: the rows of the other processes.
    """

    def __init__(self, path: Path, shared: int, own: int, inherit: Inherit) -> None:
        self.path = path
        self._inherit = inherit
        self.shared = [0.0] * shared
        self.mine = [0.0] * own
        self.others: dict[int, list[float]] = {}
        self._heading = 1 + shared
        self._size = (self._heading + MOST_PROCESSES * (1 + own)) * NUMBER_BYTES
        self._used = 0
        self._in_this_process = threading.Lock()
        self._file, self._numbers = self._open()
        self._row = self._take_row()

    def __enter__(self) -> None:
        """Hold the file's lock.

        Raises:
            SteerworksError: the file was cut short or deleted.
        """
        self._in_this_process.acquire()
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX, 1, _GUARD)
            self._check_file()
            self._read()
        except BaseException:
            self._unlock()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._write()
        finally:
            self._unlock()

    def take_from_mine(self, number: int, amount: float) -> None:
        """Lower a number of this process's row, to 0 at most. Nobody else writes it, so this needs no lock of the file.

        Raises:
            SteerworksError: the file was cut short or deleted.
        """
        with self._in_this_process:
            self._check_file()
            place = self._place(self._row) + 1 + number
            self._numbers[place] = max(0.0, self._numbers[place] - amount)

    def bury(self) -> None:
        """Settle what processes left that are gone, and take their rows out of ``others``; only inside ``with``."""
        for row in [row for row in self.others if self._try_lock(row)]:
            self._inherit(self.shared, self.others.pop(row))
            self._put(0, self._used, self.shared)  # whoever is killed now counts a debt twice, and not never
            self._write_row(row, taken=False, numbers=[0.0] * len(self.mine))
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, _ROW_LOCKS + row)

    @property
    def is_in_place(self) -> bool:
        """Whether the file still stands where it was opened; somebody may have deleted it, or put another there."""
        try:
            return os.path.samestat(self.path.stat(), os.fstat(self._file))
        except OSError:
            return False

    def _unlock(self) -> None:
        fcntl.lockf(self._file, fcntl.LOCK_UN, 1, _GUARD)
        self._in_this_process.release()

    def _open(self) -> tuple[int, memoryview[float]]:
        """Open the file, and have its numbers in memory that all processes share: no call for each of them."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
            # All of it at once: later writes need no further room, so a full disk cannot lose a count.
            os.posix_fallocate(file, 0, self._size)
            return file, memoryview(mmap.mmap(file, self._size)).cast("d")
        except OSError as error:
            raise SteerworksError(
                f"{self.path}: the counters that hold limits cannot be written ({error.strerror}). "
                "Free or repair the disk, and start again."
            ) from error

    def _take_row(self) -> int:
        self._row = -1
        with self:
            self.bury()
            free = (row for row in range(MOST_PROCESSES) if row not in self.others and self._try_lock(row))
            self._row = next(free, -1)
            if self._row < 0:
                raise SteerworksError(f"{self.path}: more than {MOST_PROCESSES} processes work on this home.")
            self._used = max(self._used, self._row + 1)
        return self._row

    def _check_file(self) -> None:
        """Whoever reads memory behind the end of its file is ended by the system; nobody else reads a deleted one."""
        file = os.fstat(self._file)
        if file.st_size < self._size or not file.st_nlink:
            raise SteerworksError(
                f"{self.path}: something other than Steerworks cut this file short or deleted it while it was used; it "
                "holds what limits have let through. Start again: money is counted anew from the journals."
            )

    def _read(self) -> None:
        used, *self.shared[:] = self._numbers[: self._heading]
        if not 0 <= used <= MOST_PROCESSES or not _are_numbers(self.shared):  # never written by us: begin anew
            used, self.shared[:] = 0.0, [0.0] * len(self.shared)
        self._used = max(self._used, int(used))
        self.others.clear()
        for row in range(self._used):
            taken, *numbers = self._numbers[self._place(row) : self._place(row + 1)]
            if row == self._row:
                self.mine[:] = numbers
            elif taken:
                self.others[row] = numbers if _are_numbers(numbers) else [0.0] * len(numbers)

    def _write(self) -> None:
        self._put(0, self._used, self.shared)
        if self._row >= 0:
            self._write_row(self._row, taken=True, numbers=self.mine)

    def _write_row(self, row: int, taken: bool, numbers: Sequence[float]) -> None:
        self._put(self._place(row), taken, numbers)

    def _put(self, place: int, first: float, others: Sequence[float]) -> None:
        self._numbers[place] = first
        for number in others:
            place += 1
            self._numbers[place] = number

    def _place(self, row: int) -> int:
        return self._heading + row * (1 + len(self.mine))

    def _try_lock(self, row: int) -> bool:
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _ROW_LOCKS + row)
        except OSError:
            return False
        return True


def _are_numbers(values: Sequence[float]) -> bool:
    return all(map(math.isfinite, values))


_opening = threading.Lock()
_open: dict[tuple[int, Path], SharedState] = {}


def shared_state(path: Path, shared: int, own: int, inherit: Inherit) -> SharedState:
    """Return this process's view of a file; there is one, for a lock of the system's belongs to a whole process.

    Args:
        path: the file; made if it is not there.
        shared: how many numbers are shared.
        own: how many numbers each process has.
        inherit: what becomes of the row of a process that is gone.

    Raises:
        SteerworksError: the file cannot be made, or too many processes use it.
    """
    key = (os.getpid(), path.resolve())
    with _opening:
        if key not in _open or not _open[key].is_in_place:
            _open[key] = SharedState(path, shared, own, inherit)
        return _open[key]
