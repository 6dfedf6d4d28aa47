"""The journal of a cell: every answer and every permanent failure, one JSON object a line, only added to.

Whatever `answer_cell` knows, it knows from here; the `responses` table is made from it. A line is
on the disk before its request counts as done, and a line that was torn by a crash is cut off when
the journal is next opened for writing.

Belongs here: writing lines durably, and finding them again by request hash over all journals of
the lake. Does not belong here: asking, and faults that a later run may find gone.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections import deque
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from dagster_project.errors import SteerworksError
from dagster_project.generation.answers import HASH_IN_LINE, Answer
from dagster_project.generation.progress import Progress
from dagster_project.whole_files import flush

FOLDER = "journal"
COMPLETION_FOLDER = "completion"
_BLOCK_BYTES = 1 << 16


def journal_path(lake_root: Path, model: str, prompt_batch: str, purpose: str = "") -> Path:
    """Return the journal of a cell; ``purpose`` keeps completions apart from responses."""
    return lake_root / FOLDER / purpose / f"model={model}" / f"prompt_batch={prompt_batch}.jsonl"


class Journal:
    """A journal open for writing; whoever opens it holds the cell's lock (`only_one_process`).

    Lines that come while others are on their way to the disk go there together, with one fsync.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        _cut_torn_line(self._file)
        flush(path.parent)
        self._end = os.fstat(self._file).st_size
        self._pending: deque[bytes] = deque()
        self._appended = 0
        self._durable = 0
        self._failure: SteerworksError | None = None
        self._committing = threading.Lock()
        self._turn = asyncio.Lock()

    async def append(self, answer: Answer) -> None:
        """Return when the answer is on the disk.

        Raises:
            SteerworksError: the disk does not take it.
        """
        self._pending.append(answer.line())
        self._appended += 1
        mine = self._appended
        async with self._turn:
            if self._durable < mine:  # else it went along with an earlier one
                await asyncio.to_thread(self._commit)

    def close(self) -> None:
        """Write what is left, and close the file; a commit that is under way in its thread goes first."""
        try:
            if self._pending and not self._failure:
                self._commit()
        finally:
            with self._committing:
                os.close(self._file)

    def _commit(self) -> None:
        with self._committing:
            if self._failure:
                raise self._failure
            lines = [self._pending.popleft() for _ in range(len(self._pending))]
            try:
                self._write(b"".join(lines))
            except OSError as error:
                self._failure = SteerworksError(
                    f"{self.path}: the journal cannot be written ({error.strerror}). Free or repair the disk, "
                    "and start again: the answers before are kept."
                )
                raise self._failure from error
            self._durable += len(lines)

    def _write(self, content: bytes) -> None:
        """Write all or nothing: half a line in the middle of the file would spoil the line after it."""
        remaining = memoryview(content)
        try:
            while remaining:
                remaining = remaining[os.write(self._file, remaining) :]
            os.fsync(self._file)
        except OSError:
            os.ftruncate(self._file, self._end)
            raise
        self._end += len(content)


def _cut_torn_line(file: int) -> None:
    """Cut off what comes after the last line end: a crash tore it, and its request is asked again."""
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


def read_answers(path: Path, wanted: Collection[str] | None = None) -> Iterator[Answer]:
    """Yield a journal's answers in order, all or those with a wanted request hash; a torn last line is none.

    Raises:
        SteerworksError: a whole line is no answer.
    """
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):
                return
            if wanted is not None and line[HASH_IN_LINE].decode("ascii", "replace") not in wanted:
                continue
            try:
                yield Answer.from_line(line)
            except (ValueError, TypeError):
                raise SteerworksError(
                    f"{path}:{number}: this line is not an answer. Something other than Steerworks changed the "
                    "journal; take the line out, and start again: its request is asked once more."
                ) from None


def find_answers(lake_root: Path, own: Path, wanted: Collection[str]) -> dict[str, Answer]:
    """Return what is known of the wanted requests, by request hash.

    The cell's own journal comes first, with its failures. Other journals give answers, the
    earliest of each; not failures, for the endpoint may have been mended since it refused.
    """
    known: dict[str, Answer] = {}
    if own.exists():
        for answer in read_answers(own, wanted):
            known.setdefault(answer.request_hash, answer)
    missing = set(wanted) - set(known)
    if missing:
        known |= _earliest_elsewhere(lake_root, own, missing)
    return known


def _earliest_elsewhere(lake_root: Path, own: Path, missing: set[str]) -> dict[str, Answer]:
    found: dict[str, Answer] = {}
    for path in sorted((lake_root / FOLDER).rglob("*.jsonl")):
        if path == own:
            continue
        for answer in read_answers(path, missing):
            earlier = found.get(answer.request_hash)
            if answer.status == "ok" and (earlier is None or str(answer.answered_at) < str(earlier.answered_at)):
                found[answer.request_hash] = answer
    return found


@contextmanager
def only_one_process(journal: Path, progress: Progress) -> Iterator[None]:
    """Hold the lock beside a journal; wait, and say so, while another run works on the same cell."""
    journal.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(journal.with_suffix(".lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        progress.waiting(f"another run works on {journal.parent.name} {journal.stem}; waiting until it is done")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
