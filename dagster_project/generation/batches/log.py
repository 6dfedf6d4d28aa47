"""What was handed in to a provider's Batch API for a cell, and what has come back: a JSON object a line, only added to.

A batch is written down before it is handed in, so that a crash in between cannot have it paid for twice. Belongs here:
the log beside a cell's journal. Does not belong here: talking to the provider (`desk`).
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from glob import escape
from pathlib import Path
from typing import Any

from pydantic_core import to_json

from dagster_project.errors import SteerworksError
from dagster_project.generation.journal import FOLDER
from dagster_project.generation.requests import Request
from dagster_project.settings import ModelSpec
from dagster_project.whole_files import flush, write_whole

ENDING = ".batches"
MARK_DIGITS = 24
MAY_STILL_ARRIVE_SECONDS = 600
"""How long a batch may take to be seen, after a call whose reply was lost: before that it is not handed in again."""


@dataclass(frozen=True)
class BatchRecord:
    """One batch of a cell.

    ``mark`` is a name of ours, which the provider keeps with the batch; ``account`` tells which address and key it was
    meant for. ``file_id`` is the provider's for the input file, None as long as nothing can have been made from it;
    ``created_at`` is when that was first tried. ``batch_id`` is the provider's, None as long as it is not known
    whether the batch was taken. ``model`` is the model as configured then, with its prices and terms of that day;
    ``booked_usd`` is the most that the batch can cost. ``ended`` is the status in which it came back. Times are in
    seconds since 1970.
    """

    mark: str
    planned_at: float
    model: dict[str, Any]
    booked_usd: float
    account: str | None = None
    file_id: str | None = None
    created_at: float | None = None
    batch_id: str | None = None
    ended: str | None = None

    @property
    def spec(self) -> ModelSpec:
        """The model as configured when the batch was handed in."""
        return ModelSpec.model_validate(self.model)

    @property
    def may_still_arrive(self) -> bool:
        """Whether it may be on its way though nobody sees it."""
        return self.created_at is not None and time.time() - self.created_at < MAY_STILL_ARRIVE_SECONDS


class BatchLog:
    """The batches of one cell; whoever changes it holds the cell's lock.

    The requests of an outstanding batch lie in a file of their own: what comes back is known by them, even if the
    prompts or the model were changed meanwhile.

    Args:
        journal: the cell's journal.

    Raises:
        SteerworksError: a line was changed by something else.
    """

    def __init__(self, journal: Path) -> None:
        self.path = journal.with_suffix(ENDING)
        self._records: dict[str, BatchRecord] = {}
        if self.path.exists():
            self._load()

    @property
    def outstanding(self) -> list[BatchRecord]:
        """Batches that have not come back, the earliest first."""
        return [record for record in self._records.values() if record.ended is None]

    @property
    def requests_outstanding(self) -> set[str]:
        """The hashes of all requests that have not come back."""
        return {key for record in self.outstanding for key in self.requests(record)}

    def requests(self, record: BatchRecord) -> dict[str, Request]:
        """Return the requests of an outstanding batch, by request hash.

        Raises:
            SteerworksError: their file is gone, or was changed.
        """
        path = self._requests_path(record.mark)
        try:
            with path.open("rb") as file:
                requests = [Request(**json.loads(line)) for line in file]
        except (OSError, ValueError, TypeError) as error:
            raise SteerworksError(
                f"{path}: the requests of a batch that is out cannot be read ({error}). Something other than "
                f"Steerworks changed them; put the file back, or take the lines with {record.mark} out of "
                f"{self.path}, and start again: they are asked once more."
            ) from error
        return {request.request_hash: request for request in requests}

    def sweep(self) -> None:
        """Delete the requests of batches that are not out, which a killed run left behind."""
        out = {self._requests_path(record.mark) for record in self.outstanding}
        for path in self.path.parent.glob(f"{escape(self.path.stem)}.{'[0-9a-f]' * MARK_DIGITS}.requests"):
            if path not in out:
                path.unlink()

    def plan(self, record: BatchRecord, requests: Sequence[Request]) -> None:
        """Write down that a batch is about to be handed in, and what is in it.

        Raises:
            SteerworksError: the disk does not take it.
        """
        lines = b"".join(to_json(request._asdict()) + b"\n" for request in requests)
        try:
            write_whole(self._requests_path(record.mark), lines)
        except OSError as error:
            raise self._unwritten(error) from error
        self._add(asdict(record))
        self._records[record.mark] = record

    def uploaded(self, mark: str, file_id: str) -> None:
        """Write down that from now on a batch may be made from a file."""
        self._change(mark, file_id=file_id, created_at=time.time())

    def handed_in(self, mark: str, batch_id: str) -> None:
        """Write down under which id the provider knows a batch."""
        self._change(mark, batch_id=batch_id)

    def ended(self, mark: str, status: str) -> None:
        """Write down that a batch has come back, and that all it brought is in the journal."""
        self._change(mark, ended=status)
        self._requests_path(mark).unlink(missing_ok=True)

    def _requests_path(self, mark: str) -> Path:
        return self.path.with_suffix(f".{mark}.requests")

    def _change(self, mark: str, **fields: Any) -> None:
        self._add({"mark": mark, **fields})
        self._records[mark] = replace(self._records[mark], **fields)

    def _add(self, line: dict[str, object]) -> None:
        try:
            with self.path.open("ab") as file:
                file.truncate(_whole(self.path.read_bytes()))
                file.write(to_json(line) + b"\n")
                file.flush()
                os.fsync(file.fileno())
            flush(self.path.parent)
        except OSError as error:
            raise self._unwritten(error) from error

    def _unwritten(self, error: OSError) -> SteerworksError:
        return SteerworksError(
            f"{self.path}: the log of batches cannot be written ({error.strerror}). Free or repair the disk, and "
            "start again."
        )

    def _load(self) -> None:
        content = self.path.read_bytes()
        for number, line in enumerate(content[: _whole(content)].splitlines(), start=1):
            try:
                fields = json.loads(line)
                known = self._records.get(fields["mark"]) or BatchRecord(**fields)
                self._records[known.mark] = replace(known, **fields)
            except (ValueError, TypeError, LookupError):
                raise SteerworksError(
                    f"{self.path}:{number}: this line is not about a batch. Something other than Steerworks changed "
                    "the log; take the line out, and start again."
                ) from None


@dataclass(frozen=True)
class OutstandingBatch:
    """A batch that has not come back: ``requests`` for a model and prompt batch, with ``booked_usd`` held for them.

    ``batch_id`` is the provider's; None as long as it is not known whether the batch arrived there.
    """

    model: str
    prompt_batch: str
    batch_id: str | None
    planned_at: float
    requests: int
    booked_usd: float


def outstanding_batches(lake_root: Path) -> Iterator[OutstandingBatch | SteerworksError]:
    """Yield what is out with providers, also for models that are no longer configured, or why a log cannot be read."""
    for model, prompt_batch, journal in logs_of_batches(lake_root):
        try:
            log = BatchLog(journal)
            out = [(record, len(log.requests(record))) for record in log.outstanding]
        except SteerworksError as error:
            yield error
            continue
        for record, requests in out:
            yield OutstandingBatch(model, prompt_batch, record.batch_id, record.planned_at, requests, record.booked_usd)


def _whole(content: bytes) -> int:
    """Return where the last whole line ends: a crash may have torn the one after it."""
    return content.rfind(b"\n") + 1


def logs_of_batches(lake_root: Path) -> list[tuple[str, str, Path]]:
    """Return model, prompt batch and journal of every cell for which batches were handed in."""
    found = []
    for path in sorted((lake_root / FOLDER).glob(f"model=*/prompt_batch=*{ENDING}")):
        model, prompt_batch = (part.partition("=")[2] for part in (path.parent.name, path.stem))
        found.append((model, prompt_batch, path.with_suffix(".jsonl")))
    return found
