"""The journal of a cell: every answer and every permanent failure, one JSON object a line, only added to.

Whatever `answer_cells` knows, it knows from here; the `responses` table is made from it. A line is
on the disk before its request counts as done, and a line that was torn by a crash is cut off when
the journal is next opened for writing.

Belongs here: writing lines durably, reading them back, one process at a time. Does not belong here:
finding lines over all journals (`known`), asking, and faults that a later run may find gone.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from dagster_project.errors import SteerworksError
from dagster_project.generation.answers import Answer
from dagster_project.generation.progress import Progress
from dagster_project.generation.reserve import Reserve
from dagster_project.whole_files import flush

FOLDER = "journal"
COMPLETION_FOLDER = "completion"
SECONDS_BETWEEN_LOOKS = 0.5
SECONDS_BETWEEN_TRIPS = 0.1
"""Hardly noticed by whoever counts answers; a trip, for which threads take turns, costs as much as three of them."""
_BLOCK_BYTES = 1 << 16

OnDisk = Callable[[Answer], None]


def journal_path(lake_root: Path, model: str, prompt_batch: str, purpose: str = "") -> Path:
    """Return the journal of a cell; ``purpose`` keeps completions apart from responses."""
    return lake_root / FOLDER / purpose / f"model={model}" / f"prompt_batch={prompt_batch}.jsonl"


def journals(lake_root: Path) -> list[Path]:
    """Return all journals of a lake, sorted by path."""
    return sorted((lake_root / FOLDER).rglob("*.jsonl"))


class Journal:
    """A journal open for writing; whoever opens it holds the cell's lock (`only_one_process`).

    A line reaches the file at once, so that a kill of the process cannot lose it, and the disk soon: lines that come
    within a moment, or while the disk is at work, go there together, with one fsync. Opening makes the file.

    Args:
        path: of the file.
        reserve: gives room once the disk is full.

    Raises:
        SteerworksError: the disk does not let it be written.
    """

    def __init__(self, path: Path, reserve: Reserve | None = None) -> None:
        self.path = path
        self._reserve = reserve
        self._failure: Exception | None = None
        self._takes_lines = True
        self._watchers: list[Callable[[Exception], None]] = []
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
            self._end = _cut_torn_line(self._file)
            flush(path.parent)
        except OSError as error:
            raise self._failed(error) from error
        self._on_disk = self._end
        self._waiting: list[tuple[Answer, OnDisk]] = []
        self._next_trip: asyncio.TimerHandle | None = None
        self._trip: asyncio.Task[None] | None = None

    def watch(self, stop: Callable[[Exception], None]) -> None:
        """Have a function called with why no more can be written, before there is another answer to write."""
        self._watchers.append(stop)

    def write(self, answer: Answer, then: OnDisk | None = None) -> None:
        """Write a line, whole or not at all: half a line would spoil the line after it.

        Args:
            answer: what the line says.
            then: called with it once the disk holds the line; never, if the disk does not take it.

        Raises:
            SteerworksError: the disk does not take it, or did not take an earlier one.
        """
        if self._failure and not self._takes_lines:
            raise self._failure
        line = answer.line()
        try:
            self._append(line)
        except OSError as error:
            raise self._failed(error) from error
        self._end += len(line)
        if then:
            self._waiting.append((answer, then))
        self._set_out_soon()

    async def all_on_disk(self) -> None:
        """Return when the disk holds everything that was written.

        Raises:
            SteerworksError: the disk does not take it.
        """
        while not self._failure and self._on_disk < self._end:
            self._set_out()
            if self._trip:
                await asyncio.wait([self._trip])
        if self._failure:
            raise self._failure

    async def close(self) -> None:
        """Have the disk hold all that was written, and close the file."""
        try:
            if not self._failure:
                await self.all_on_disk()
        finally:
            if self._next_trip:
                self._next_trip.cancel()
            os.close(self._file)

    def _append(self, line: bytes) -> None:
        try:
            remaining = memoryview(line)
            while remaining:
                remaining = remaining[os.write(self._file, remaining) :]
        except OSError as error:
            # If this fails, half a line stays the last one, and is cut off as one that a crash tore.
            os.ftruncate(self._file, self._end)
            if not (self._reserve and self._reserve.give_back(error)):
                raise
            self._append(line)

    def _set_out_soon(self) -> None:
        if not self._trip and not self._next_trip:
            self._next_trip = asyncio.get_running_loop().call_later(SECONDS_BETWEEN_TRIPS, self._set_out)

    def _set_out(self) -> None:
        if self._next_trip:
            self._next_trip.cancel()
            self._next_trip = None
        self._trip = self._trip or asyncio.create_task(self._go_to_disk())

    async def _go_to_disk(self) -> None:
        end, on_the_way = self._end, self._waiting
        self._waiting = []
        try:
            await asyncio.to_thread(os.fsync, self._file)
        except OSError as error:
            self._failed(error)
        else:
            self._on_disk = end
            self._tell(on_the_way)
        finally:
            self._trip = None
        if self._on_disk < self._end and not self._failure:
            self._set_out_soon()

    def _tell(self, on_disk: list[tuple[Answer, OnDisk]]) -> None:
        try:
            for answer, then in on_disk:
                then(answer)
        except Exception as error:  # whoever watches, or waits for the disk, has it raised
            self._fail(error)

    def _failed(self, error: OSError) -> SteerworksError:
        failure = SteerworksError(
            f"{self.path}: the journal cannot be written ({error.strerror}). Free or repair the disk, "
            "and start again: the answers before are kept."
        )
        self._takes_lines = False
        self._fail(failure)
        return failure

    def _fail(self, failure: Exception) -> None:
        self._failure = failure
        for stop in self._watchers:
            stop(failure)


def _cut_torn_line(file: int) -> int:
    """Cut off what comes after the last line end: a crash tore it, and its request is asked again. Return the end."""
    end = os.fstat(file).st_size
    position = end
    while position > 0:
        start = max(0, position - _BLOCK_BYTES)
        newline = os.pread(file, position - start, start).rfind(b"\n")
        if newline >= 0:
            position = start + newline + 1
            break
        position = start
    if position < end:
        os.ftruncate(file, position)
        os.fsync(file)
    return position


def read_answers(path: Path) -> Iterator[Answer]:
    """Yield a journal's answers in order; a torn last line is none.

    Raises:
        SteerworksError: a whole line is no answer.
    """
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):
                return
            try:
                yield Answer.from_line(line)
            except ValueError as error:
                raise no_answer(path, number, error) from None


def no_answer(path: Path, number: int, problem: ValueError) -> SteerworksError:
    """Return the error about a line that is no answer."""
    return SteerworksError(
        f"{path}:{number}: this line is not an answer ({problem}). Something other than Steerworks changed the "
        "journal; take the line out, and start again: its request is asked once more."
    )


@asynccontextmanager
async def only_one_process(journal: Path, progress: Progress) -> AsyncIterator[None]:
    """Hold the lock beside a journal; wait, and say so, while another run works on the same cell.

    Raises:
        SteerworksError: the lock's file cannot be made or opened.
    """
    lock = FileLock(journal.with_suffix(".lock"))
    said = False
    while not _acquire(lock):
        if not said:
            progress.waiting(f"another run works on {journal.parent.name} {journal.stem}; waiting until it is done")
            said = True
        await asyncio.sleep(SECONDS_BETWEEN_LOOKS)
    try:
        yield
    finally:
        lock.release()


@contextmanager
def while_idle(journal: Path) -> Iterator[bool]:
    """Hold the lock beside a journal if nobody works on its cell; say whether that is so."""
    lock = FileLock(journal.with_suffix(".lock"))
    idle = _acquire(lock)
    try:
        yield idle
    finally:
        if idle:
            lock.release()


def _acquire(lock: FileLock) -> bool:
    path = Path(lock.lock_file)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        return False
    except OSError as error:
        raise SteerworksError(
            f"{path}: the lock of the cell cannot be taken ({error.strerror or error}). Free or repair the disk, or "
            "make the file writable, and start again: the answers before are kept."
        ) from error
    return True
