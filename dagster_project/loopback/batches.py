"""The life of batches: validated, answered line by line over their time, and ended in one of several ways.

Belongs here: states, times, and the files that a batch leaves. Does not belong here: HTTP, and what a line says.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import IO

from dagster_project.loopback.batch_lines import BatchInput, answered_line, read_input, unanswered_line
from dagster_project.loopback.behaviour import Behaviour
from dagster_project.loopback.counters import Body, Counters
from dagster_project.loopback.files import Files

ENDED = frozenset({"completed", "failed", "expired", "cancelled"})
WINDOW_SECONDS = 24 * 3600
_MOST_AT_ONCE = 50  # lines answered without a pause: requests that come in the meantime wait for them
_STEPS = 20
_TIMES = ("in_progress", "finalizing", "completed", "failed", "expired", "cancelling", "cancelled")
_UNANSWERED = {
    "expired": ("batch_expired", "This request could not be executed before the completion window expired."),
    "cancelled": ("batch_cancelled", "This request was not executed, because the batch was cancelled."),
}


@dataclass
class Batch:
    """One batch; it keeps the behaviour of the moment when it was created."""

    input_file_id: str
    endpoint: str
    metadata: Body | None
    behaviour: Behaviour
    id: str = field(default_factory=lambda: f"batch_{secrets.token_hex(12)}")
    created_at: int = field(default_factory=lambda: int(time.time()))
    status: str = "validating"
    times: dict[str, int] = field(default_factory=dict)
    model: str | None = None
    errors: list[Body] = field(default_factory=list)
    total: int = 0
    completed: int = 0
    failed: int = 0
    output_file_id: str | None = None
    error_file_id: str | None = None
    usage: Counter[str] = field(default_factory=Counter)
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    def become(self, status: str) -> None:
        """Enter a state, now."""
        self.status = status
        self.times[status] = int(time.time())

    def as_json(self) -> Body:
        """Return the batch object, in the shape that OpenAI gives it."""
        return {
            "id": self.id,
            "object": "batch",
            "endpoint": self.endpoint,
            "model": self.model,
            "errors": {"object": "list", "data": self.errors} if self.errors else None,
            "input_file_id": self.input_file_id,
            "completion_window": "24h",
            "status": self.status,
            "output_file_id": self.output_file_id,
            "error_file_id": self.error_file_id,
            "created_at": self.created_at,
            "expires_at": self.created_at + WINDOW_SECONDS,
            **{f"{name}_at": self.times.get(name) for name in _TIMES},
            "request_counts": {"total": self.total, "completed": self.completed, "failed": self.failed},
            "usage": _usage(self.usage) if self.usage else None,
            "metadata": self.metadata,
        }


class Batches:
    """All batches of a server, the oldest first; each is a task of the running loop."""

    def __init__(self, files: Files, counters: Counters) -> None:
        self._files = files
        self._counters = counters
        self._batches: dict[str, Batch] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """Abandon the batches that have not ended."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def create(self, batch: Batch) -> None:
        """Take in a batch."""
        self._batches[batch.id] = batch
        self._counters.batches += 1
        task = asyncio.create_task(self._live(batch))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def get(self, batch_id: str) -> Batch | None:
        """Return a batch, if it is known."""
        return self._batches.get(batch_id)

    def newest_first(self) -> list[Batch]:
        """Return all batches."""
        return list(reversed(self._batches.values()))

    def cancel(self, batch: Batch) -> None:
        """Begin to end a batch that has not ended; it is cancelled a moment later."""
        batch.become("cancelling")
        batch.stop.set()

    async def _live(self, batch: Batch) -> None:
        began = asyncio.get_running_loop().time()
        with self._files.path(batch.input_file_id).open("rb") as lines:  # stays readable when a client deletes it
            sha256 = (await asyncio.to_thread(hashlib.file_digest, lines, "sha256")).hexdigest()
            number = self._counters.one_more_batch_of(sha256)
            found = await asyncio.to_thread(read_input, lines, batch.endpoint)
            if not found.errors:
                await self._count_lines(found)
            if errors := found.errors or _drawn_errors(batch, found, sha256, number):
                batch.errors = errors
                batch.become("failed")
                return
            batch.total, batch.model = len(found.offsets), found.model
            order = list(found.offsets)
            Random(f"{batch.behaviour.seed} {sha256}").shuffle(order)  # noqa: S311 - no secret
            expires = batch.behaviour.drawn("batch_expire", batch.behaviour.p_batch_expire, sha256, number)
            await self._work(batch, lines, order, "expired" if expires else "completed", began)

    async def _count_lines(self, found: BatchInput) -> None:
        for number, custom_id in enumerate(found.custom_ids, start=1):
            self._counters.submitted(found.model or "", custom_id)
            await _breathe(number)

    async def _work(self, batch: Batch, lines: IO[bytes], order: list[int], end: str, began: float) -> None:
        """Answer the lines, or half of them if the batch expires, and write both files."""
        output, errors = self._files.new(), self._files.new()
        with self._files.path(output).open("wb") as answers, self._files.path(errors).open("wb") as failures:
            if batch.status == "validating":
                batch.become("in_progress")
            most = len(order) // 2 if end == "expired" else len(order)
            done = await self._answer(batch, lines, order[:most], (answers, failures), began)
            end = "cancelled" if batch.stop.is_set() else end
            for number, offset in enumerate(order[done:], start=1):
                lines.seek(offset)
                failures.write(unanswered_line(lines.readline(), *_UNANSWERED[end]))
                batch.failed += 1
                await _breathe(number)
        batch.times["finalizing"] = int(time.time())
        batch.output_file_id = self._publish(output, f"{batch.id}_output.jsonl")
        batch.error_file_id = self._publish(errors, f"{batch.id}_error.jsonl")
        batch.become(end)

    async def _answer(
        self, batch: Batch, lines: IO[bytes], order: list[int], files: tuple[IO[bytes], IO[bytes]], began: float
    ) -> int:
        """Answer lines evenly over the batch's time, and return how many came before it was cancelled."""
        step = max(1, min(_MOST_AT_ONCE, len(order) // _STEPS))
        for start in range(0, len(order), step):
            if await _stopped(batch.stop, began + batch.behaviour.batch_seconds * start / len(order)):
                return start
            for offset in order[start : start + step]:
                lines.seek(offset)
                self._answer_one(batch, lines.readline(), files)
        await _stopped(batch.stop, began + batch.behaviour.batch_seconds)
        return len(order)

    def _answer_one(self, batch: Batch, line: bytes, files: tuple[IO[bytes], IO[bytes]]) -> None:
        answered = answered_line(batch.behaviour, self._counters, batch.endpoint, line)
        files[0 if answered.ok else 1].write(answered.text)
        batch.completed += answered.ok
        batch.failed += not answered.ok
        for name in ("prompt_tokens", "completion_tokens", "total_tokens"):
            if name in answered.usage:
                batch.usage[name] += answered.usage[name]
        if details := answered.usage.get("completion_tokens_details"):
            batch.usage["reasoning_tokens"] += details["reasoning_tokens"]

    def _publish(self, file_id: str, filename: str) -> str | None:
        """Make a file known; one without lines is none, as at OpenAI."""
        if not self._files.path(file_id).stat().st_size:
            self._files.path(file_id).unlink()
            return None
        self._files.publish(file_id, filename, "batch_output")
        return file_id


async def _breathe(number: int) -> None:
    """Let requests be answered, now and then."""
    if number % _MOST_AT_ONCE == 0:
        await asyncio.sleep(0)


async def _stopped(stop: asyncio.Event, due: float) -> bool:
    """Wait until a time of the loop's clock, and tell whether the batch was to stop before."""
    seconds = due - asyncio.get_running_loop().time()
    if seconds <= 0:
        await asyncio.sleep(0)
        return stop.is_set()
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
    return stop.is_set()


def _drawn_errors(batch: Batch, found: BatchInput, sha256: str, number: int) -> list[Body]:
    if not batch.behaviour.drawn("batch_fail", batch.behaviour.p_batch_fail, sha256, number):
        return []
    message = f"Enqueued token limit reached for {found.model}. Please try again once some batches have completed."
    return [{"code": "token_limit_exceeded", "message": message, "param": None, "line": None}]


def _usage(tokens: Counter[str]) -> Body:
    return {
        "input_tokens": tokens["prompt_tokens"],
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": tokens["completion_tokens"],
        "output_tokens_details": {"reasoning_tokens": tokens["reasoning_tokens"]},
        "total_tokens": tokens["total_tokens"],
    }
