"""A provider's Batch API as the way to a model: hand in what is missing, and collect what has come back.

A cell is run once to hand its requests in, and again when its batches have ended; until then its rows say
``batch_pending``. Belongs here: files, batches, and reading what they bring. Does not belong here: who looks when
(`dagster_project.automation`), and the journal that answers go to.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dagster_project.errors import SteerworksError
from dagster_project.generation.answers import TO_JSON, Answer, AnswersOf
from dagster_project.generation.batch_log import BatchLog, BatchRecord, logs_of_batches
from dagster_project.generation.channel import KEPT, Channel
from dagster_project.generation.endpoints import Connection, connect
from dagster_project.generation.journal import Journal
from dagster_project.generation.prices import highest_cost_usd
from dagster_project.generation.replies import Answered, Dead, Outcome, Refused, read_answer, read_status
from dagster_project.generation.requests import Request
from dagster_project.settings import BatchMode, ModelsFile

if TYPE_CHECKING:
    from openai.types import Batch

ENDED = frozenset({"completed", "expired", "failed", "cancelled"})
MARK = "steerworks"
"""The key under which the provider keeps our mark of a batch."""
CLOCKS_DIFFER_SECONDS = 3600
TRIES = 5


class BatchDesk:
    """Hands in and collects the batches of one cell.

    Args:
        channel: to the model.
        mode: the model's batch mode.
        log: what was handed in before.
        journal: where answers and permanent failures go.
        on_settled: called with each answer and permanent failure.

    Attributes:
        sent: requests that were handed in.
        spent_usd: what came back cost.
        out_of_money: whether requests were left because the money did not reach for them.
    """

    def __init__(
        self,
        channel: Channel,
        mode: BatchMode,
        log: BatchLog,
        journal: Journal,
        on_settled: Callable[[Answer], None],
    ) -> None:
        self.sent = 0
        self.spent_usd = 0.0
        self.out_of_money = False
        self._channel = channel
        self._mode = mode
        self._log = log
        self._journal = journal
        self._on_settled = on_settled

    async def collect(self) -> None:
        """Take in what has come back; what it brought is in the journal before a batch counts as collected.

        Raises:
            SteerworksError: the provider cannot be reached or refuses, or turned a whole batch down.
        """
        failed: list[str] = []
        for record in self._log.outstanding:
            async with _explained(self._channel.model, self._channel.connection):
                batch = await find_batch(self._channel.connection, record)
                if batch is None:
                    self._close(record, "never handed in", 0.0)
                elif record.batch_id is None:
                    self._log.handed_in(record.mark, batch.id)
                if batch and batch.status in ENDED:
                    cost = await self._take_in(batch, record)
                    self._close(record, batch.status, cost)
                    failed += [_why_failed(batch)] if batch.status == "failed" else []
        if failed:
            raise SteerworksError(
                f"model `{self._channel.model}`: the provider turned a batch down: {'; '.join(failed)}. Mend what it "
                f"says, and run again. {KEPT}"
            )

    async def hand_in(self, requests: Iterator[Request]) -> None:
        """Hand in requests, in as many batches as they need, as far as the money reaches.

        Raises:
            SteerworksError: the provider cannot be reached or refuses. A batch of which it is not known whether it
                arrived is looked for by the next run.
        """
        spec = self._channel.spec
        for some in self._shares(requests):
            booked = sum(highest_cost_usd(spec.prices, request) for request in some)
            record = BatchRecord(secrets.token_hex(12), time.time(), spec.model_dump(mode="json"), booked)
            self._log.plan(record, some)
            async with _explained(self._channel.model, self._channel.connection):
                self._log.handed_in(record.mark, await self._submit(record.mark, some))
            self.sent += len(some)

    def _shares(self, requests: Iterator[Request]) -> Iterator[list[Request]]:
        """Yield requests for one batch at a time; money for them is held back."""
        share: list[Request] = []
        size = 0
        for request in requests:
            usd = highest_cost_usd(self._channel.spec.prices, request)
            if usd and not self._channel.budget.spend(usd):
                self.out_of_money = True
                break
            length = len(TO_JSON(request.body).encode()) + 200
            if share and (len(share) == self._mode.max_requests or size + length > self._mode.max_megabytes * 2**20):
                yield share
                share, size = [], 0
            share.append(request)
            size += length
        if share:
            yield share

    async def _submit(self, mark: str, requests: Sequence[Request]) -> str:
        client = self._channel.connection.client.with_options(max_retries=TRIES)
        lines = [
            TO_JSON({"custom_id": r.request_hash, "method": "POST", "url": "/v1/chat/completions", "body": r.body})
            for r in requests
        ]
        content = ("\n".join(lines) + "\n").encode()
        file = await client.files.create(file=(f"steerworks-{mark}.jsonl", content), purpose="batch")
        # Not tried again by the client: if the answer is lost, the batch may be there all the same.
        batch = await client.with_options(max_retries=0).batches.create(
            input_file_id=file.id,
            endpoint="/v1/chat/completions",
            completion_window=self._mode.completion_window,  # type: ignore[arg-type]
            metadata={MARK: mark},
        )
        return batch.id

    async def _take_in(self, batch: Batch, record: BatchRecord) -> float:
        """Write what a batch brought into the journal; return what it cost."""
        asked, answers = self._log.requests(record), AnswersOf(record.spec)
        cost, end = 0.0, 0
        for file in (batch.output_file_id, batch.error_file_id):
            reply = await self._channel.connection.client.files.content(file) if file else None
            for line in reply.content.splitlines() if reply else ():
                key, outcome = _read_line(line)
                request = asked.pop(key, None)
                if request is None or not isinstance(outcome, Answered | Refused):
                    continue  # told twice, or to be handed in again
                answer = answers.settled(request, outcome, attempts=1, seconds=None)
                end = self._journal.write(answer)
                cost += answer.cost_usd
                self._on_settled(answer)
        await self._journal.on_disk(end)
        return cost

    def _close(self, record: BatchRecord, status: str, cost: float) -> None:
        """Note that a batch is over. Its money was booked at the most that it could cost."""
        self._log.ended(record.mark, status)
        self.spent_usd += cost
        self._channel.budget.correct(cost - record.booked_usd)


async def find_batch(connection: Connection, record: BatchRecord) -> Batch | None:
    """Return a batch as the provider sees it; None if it was never handed in.

    A crash may have come between handing in and writing that down: then it is known by our mark.
    """
    client = connection.client.with_options(max_retries=TRIES)
    if record.batch_id is not None:
        return await client.batches.retrieve(record.batch_id)
    async for batch in client.batches.list(limit=100):
        if (batch.metadata or {}).get(MARK) == record.mark:
            return batch
        if batch.created_at < record.planned_at - CLOCKS_DIFFER_SECONDS:
            break
    return None


def cells_with_ended_batches(lake_root: Path, models: ModelsFile) -> dict[tuple[str, str], list[str]]:
    """Ask the providers; return the marks of batches that can be collected, by model and prompt batch of their cell.

    A model that is no longer configured, or whose provider cannot be reached, is left for another time.
    """
    return asyncio.run(_look(lake_root, models))


async def _look(lake_root: Path, models: ModelsFile) -> dict[tuple[str, str], list[str]]:
    ended: dict[tuple[str, str], list[str]] = {}
    for model, prompt_batch, log in logs_of_batches(lake_root):
        if model not in models.models:
            continue
        with suppress(SteerworksError):
            async with connect(models, model) as connection, _explained(model, connection):
                for record in log.outstanding:
                    batch = await find_batch(connection, record)
                    if batch is None or batch.status in ENDED:
                        ended.setdefault((model, prompt_batch), []).append(record.mark)
    return ended


def _read_line(line: bytes) -> tuple[str, Outcome]:
    """Read a line of an output or error file: whose it is, and what became of it."""
    fields: dict[str, Any] = json.loads(line)
    response = fields.get("response") or {}
    body = TO_JSON(response.get("body") or fields.get("error") or {}).encode()
    if response.get("status_code") == 200:
        return str(fields["custom_id"]), read_answer(body)
    # Without a response, the request was never worked on: the batch expired, or was cancelled.
    return str(fields["custom_id"]), read_status(int(response.get("status_code") or 503), body, {})


def _why_failed(batch: Batch) -> str:
    errors = (batch.errors.data if batch.errors else None) or []
    return f"batch {batch.id}: " + ("; ".join(error.message or "" for error in errors) or "no reason given")


@asynccontextmanager
async def _explained(model: str, connection: Connection) -> AsyncIterator[None]:
    """Say what the client's exceptions mean, without the key that some servers repeat."""
    import openai  # noqa: PLC0415 - loads slowly

    where = f"model `{model}`: the Batch API of the endpoint `{connection.name}` at {connection.address}"
    try:
        yield
    except openai.APIStatusError as error:
        said = error.response.content.replace(connection.api_key.encode(), b"***")
        outcome = read_status(error.status_code, said, error.response.headers)
        problem = outcome.problem if isinstance(outcome, Dead) else f"answers with status {error.status_code}"
        words = outcome.detail if not isinstance(outcome, Answered) else ""
        raise SteerworksError(
            f"{where} {problem}, and says: {words}. Mend the endpoint or the key, or take `batch` out of the model in "
            f"models.yaml, and run again. {KEPT}"
        ) from None
    except openai.APIConnectionError as error:
        words = str(error.__cause__ or error).replace(connection.api_key, "***")
        raise SteerworksError(f"{where} cannot be reached ({words}). Run again when it can. {KEPT}") from None
