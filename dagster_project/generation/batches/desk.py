"""A provider's Batch API as the way to a model: hand in what is missing, and collect what has come back.

A cell is run once to hand its requests in, and again when its batches have ended; until then its rows say
``batch_pending``. Belongs here: when a batch is handed in, over, or lost, and its money. Does not belong here: calls
(`provider`), the lines of files (`lines`), which batches have ended (`ended`), and the journal that answers go to.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from pydantic_core import to_json

from dagster_project.errors import SteerworksError
from dagster_project.generation.answers import Answer
from dagster_project.generation.batches.lines import Harvest, lines_in_words
from dagster_project.generation.batches.log import MARK_DIGITS, BatchLog, BatchRecord
from dagster_project.generation.batches.provider import BatchProvider, ProviderBatch, ProviderError, is_want_of_room
from dagster_project.generation.channel import KEPT, Channel
from dagster_project.generation.journal import Journal
from dagster_project.generation.prices import highest_cost_usd
from dagster_project.generation.requests import Request
from dagster_project.settings import BatchMode

TRIES = 5
NO_ROOM_REASON = "batch_no_room"
KEPT_BY_PROVIDER_SECONDS = 2 * 86_400
"""Whatever was handed in is over by then, whosever key it was."""


class BatchDesk:
    """Hands in and collects the batches of one cell.

    Args:
        channel: to the model.
        log: what was handed in before.
        journal: where answers and permanent failures go.
        on_brought: called with each answer and permanent failure that a batch brought.
        on_left: called with what there was no room for.
        say: called with what a user should know, and no run needs to stop for.

    Attributes:
        sent: requests that were handed in.
        spent_usd: what came back cost.
        out_of_money: whether requests were left because the money did not reach for them.
    """

    def __init__(
        self,
        channel: Channel,
        log: BatchLog,
        journal: Journal,
        on_brought: Callable[[Answer], None],
        on_left: Callable[[Answer], None],
        say: Callable[[str], None],
    ) -> None:
        self.sent = 0
        self.spent_usd = 0.0
        self.out_of_money = False
        self._channel = channel
        self._log = log
        self._journal = journal
        self._on_brought = on_brought
        self._on_left = on_left
        self._tell = say
        self._provider = BatchProvider(channel.model, channel.connection, TRIES)

    async def collect(self) -> None:
        """Take in what has come back; what it brought is in the journal before a batch counts as collected.

        Raises:
            SteerworksError: the provider cannot be reached or refuses, turned a whole batch down, or says that no
                request can succeed. What the other batches brought is taken in all the same.
        """
        self._log.sweep()
        problems: list[str] = []
        for record in self._log.outstanding:
            try:
                problems += await self._collect(record)
            except ProviderError as error:
                problems.append(str(error))
                if error.status in (None, 401, 403):  # the others would fare alike
                    break
        if problems:
            raise SteerworksError(" ".join(problems))

    async def _collect(self, record: BatchRecord) -> list[str]:
        """Look after one batch; return why it needs a person, if it does."""
        try:
            batch = await self._provider.batch(record)
        except ProviderError as error:
            if error.status != 404 or record.batch_id is None or not await self._provider.lists_batches():
                raise
            return self._gone(record)
        if batch is None:
            if record.may_still_arrive:
                self._say("it is not known yet whether a batch arrived; the next run looks for it again")
            else:
                self._close(record, "never handed in", 0.0)
            return []
        if record.batch_id is None:
            self._log.handed_in(record.mark, batch.id)
        return await self._take_in(batch, record) if batch.has_ended else []

    async def hand_in(self, requests: Iterator[Request], mode: BatchMode) -> None:
        """Hand in requests, in as many batches as they need, as far as the money reaches.

        Args:
            requests: what to ask for.
            mode: how much a batch may have, and how long.

        Raises:
            SteerworksError: the provider cannot be reached or refuses. A batch of which it is not known whether it
                arrived is looked for by the next run.
        """
        budget = self._channel.budget
        with self._channel.asking():
            for some in _shares(requests, mode):
                if self._channel.failure:
                    raise self._channel.failure
                rest: Sequence[Request] = some
                while rest := await self._hand_in_what_is_covered(rest, mode):
                    next_cost = highest_cost_usd(self._channel.spec.prices, rest[0])
                    if not await budget.others_leave(next_cost):
                        self.out_of_money = True
                        budget.say_what_is_short(next_cost)
                        return

    async def _hand_in_what_is_covered(self, some: Sequence[Request], mode: BatchMode) -> Sequence[Request]:
        """Hand in the first of some requests, for which there is money; return the others, unless there is no room."""
        before = self.sent
        covered, booked = ([], 0.0) if self._channel.batches_are_full else await self._book(some)
        if covered:
            with self._under_way():
                await self._hand_in(covered, booked, mode)
        if not self._channel.batches_are_full:
            return some[len(covered) :]
        for request in some[self.sent - before :]:
            self._on_left(self._channel.answers.unsettled(request, NO_ROOM_REASON, 0))
        return []

    async def _hand_in(self, requests: Sequence[Request], booked: float, mode: BatchMode) -> None:
        """Hand in a batch, unless the provider has no room for it now."""
        spec, account = self._channel.spec.model_dump(mode="json"), self._provider.account
        record = BatchRecord(secrets.token_hex(MARK_DIGITS // 2), time.time(), spec, booked, account)
        try:
            self._log.plan(record, requests)
        except SteerworksError:
            self._channel.budget.take_back(booked, record.planned_at)
            raise
        try:
            batch_id = await self._submit(record.mark, requests, mode)
        except ProviderError as error:
            uploaded = any(each.mark == record.mark and each.file_id for each in self._log.outstanding)
            if uploaded and not error.is_refusal:
                raise SteerworksError(f"{error} Whether the batch arrived is not known: the next run looks.") from None
            self._log.ended(record.mark, "never handed in")
            self._channel.budget.take_back(booked, record.planned_at)
            if not error.is_for_want_of_room:
                raise
            self._channel.batches_are_full = True
            self._say(f"it takes no more for now; a later run hands in the rest ({error.words})")
            return
        self._log.handed_in(record.mark, batch_id)
        self.sent += len(requests)

    @contextmanager
    def _under_way(self) -> Iterator[None]:
        """Let other cells know that a batch is being handed in, and when that is over."""
        over = asyncio.Event()
        self._channel.handing_in.add(over)
        try:
            yield
        finally:
            self._channel.handing_in.discard(over)
            over.set()

    async def _book(self, share: Sequence[Request]) -> tuple[list[Request], float]:
        """Return the first requests, for which there is money, and how much was booked for them.

        Where it does not reach, what is being handed in by other cells is waited for: the provider may not take it.
        Booked in few and large amounts: a kill in the midst of very many would leave them booked for nothing.
        """
        costs = [highest_cost_usd(self._channel.spec.prices, request) for request in share]
        covered, booked, step = 0, 0.0, len(share)
        while step and covered < len(share):
            usd = sum(costs[covered : covered + step])
            if not usd or self._channel.budget.spend(usd):
                covered, booked = covered + step, booked + usd
            elif handing_in := next(iter(self._channel.handing_in), None):
                await handing_in.wait()
                if self._channel.batches_are_full:
                    return [], 0.0  # nobody waits who has booked anything
            else:
                step //= 2
        return list(share[:covered]), booked

    async def _submit(self, mark: str, requests: Sequence[Request], mode: BatchMode) -> str:
        content = b"".join(_line(request) for request in requests)
        file_id = await self._provider.upload(f"steerworks-{mark}", content)
        self._log.uploaded(mark, file_id)
        return await self._provider.create(file_id, mark, mode.completion_window)

    async def _take_in(self, batch: ProviderBatch, record: BatchRecord) -> list[str]:
        """Write what an ended batch brought into the journal; return why it needs a person, if it does."""
        requests = self._log.requests(record)
        harvest = Harvest(record, requests, self._journal, self._channel.connection.secrets, self._on_brought)
        if batch.status == "completed":
            harvest.all_were_worked_on()
        for file in batch.files:
            content = await self._provider.content(file)
            if content is None:
                harvest.all_were_worked_on()
                self._say(
                    f"the file {file} of the batch {batch.id} is gone; its requests are asked again, and count as paid"
                )
            elif odd := harvest.take_file(content):
                self._say(
                    f"{lines_in_words(odd)} of the file {file}: not about a request of the batch {batch.id}, or not "
                    "readable. What has no other line is asked again"
                )
        await self._journal.all_on_disk()
        problems = self._turned_down(batch) if batch.status == "failed" else []
        if harvest.dead:
            said = f"{harvest.dead.problem}, and says: {harvest.dead.detail}"
            problems.append(f"model `{self._channel.model}`: the provider {said}. Mend it, and run again. {KEPT}")
        elif batch.status != "failed" and (left := harvest.left_without_an_answer):
            reasons = ", ".join(f"{reason} {count}" for reason, count in left.most_common())
            self._say(
                f"the batch {batch.id} ({batch.status}) left requests without an answer, to ask again: {reasons}"
                f"{f'. They count as paid, with {lost:,.4f} USD' if (lost := harvest.lost_usd) else ''}"
            )
        self._close(record, batch.status, harvest.cost_usd)
        return problems

    def _turned_down(self, batch: ProviderBatch) -> list[str]:
        words = f"batch {batch.id}: {batch.problem or 'no reason given'}"
        if is_want_of_room(batch.problem):
            self._channel.batches_are_full = True
            self._say(
                f"it takes no more for now ({words}). A later run hands the rest in; if nothing else is out, set a "
                "lower `max_requests` under the model's `batch`"
            )
            return []
        return [
            f"model `{self._channel.model}`: the provider turned a batch down: {words}. Mend what it says, and run "
            f"again. {KEPT}"
        ]

    def _gone(self, record: BatchRecord) -> list[str]:
        """Give a batch up that the provider does not know, unless it is only this key that does not."""
        if record.account == self._provider.account or time.time() - record.planned_at > KEPT_BY_PROVIDER_SECONDS:
            self._say(f"the provider no longer knows the batch {record.batch_id}; its requests are asked again")
            self._close(record, "gone", record.booked_usd)  # perhaps it was worked on
            return []
        return [
            f"model `{self._channel.model}`: the endpoint `{self._channel.connection.name}` does not know the batch "
            f"{record.batch_id}, which was handed in at another address or with another key. Set them back until it "
            "is collected; two days after it was handed in, its requests are asked again."
        ]

    def _close(self, record: BatchRecord, status: str, cost: float) -> None:
        """Note that a batch is over. Its money was booked at the most that it could cost."""
        self._log.ended(record.mark, status)
        self.spent_usd += cost
        self._channel.budget.correct(cost - record.booked_usd, record.planned_at)

    def _say(self, what: str) -> None:
        self._tell(f"model `{self._channel.model}`, Batch API: {what.rstrip('.')}.")


def _shares(requests: Iterator[Request], mode: BatchMode) -> Iterator[list[Request]]:
    """Yield as many requests at a time as fit into a batch."""
    share: list[Request] = []
    size = 0
    for request in requests:
        length = len(_line(request))
        if share and (len(share) == mode.max_requests or size + length > mode.max_megabytes * 2**20):
            yield share
            share, size = [], 0
        share.append(request)
        size += length
    if share:
        yield share


def _line(request: Request) -> bytes:
    """Return a request's line of an input file."""
    asked = {"custom_id": request.request_hash, "method": "POST", "url": "/v1/chat/completions", "body": request.body}
    return to_json(asked) + b"\n"
