"""One cell of the responses: a model's answers to a prompt batch, asked for where they are not known yet.

Belongs here: what is wanted, what is known, and what is missing. Does not belong here: how a single request fares
(`asking`), the `responses` partition that follows (`filling`), and several cells side by side (`engine`).
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from dagster_project.errors import SteerworksError
from dagster_project.generation.answers import Answer
from dagster_project.generation.asking import Asker
from dagster_project.generation.batches.desk import BatchDesk
from dagster_project.generation.batches.log import BatchLog
from dagster_project.generation.channel import Channel
from dagster_project.generation.claims import Claimed, Claims
from dagster_project.generation.following import Following
from dagster_project.generation.journal import SECONDS_BETWEEN_LOOKS, Journal
from dagster_project.generation.known import KnownAnswers
from dagster_project.generation.progress import CellProgress, Progress
from dagster_project.generation.requests import Request
from dagster_project.generation.reserve import Reserve
from dagster_project.generation.table import Unsettled
from dagster_project.lake import Lake
from dagster_project.settings import BatchMode, ModelSpec

SECONDS_BETWEEN_UPDATES = 0.1

Connect = Callable[[], Awaitable[Channel]]


@dataclass
class _Others:
    """Requests that are under way already, how often each is wanted, and the journals of the cells that send them."""

    wanted: Counter[str] = field(default_factory=Counter)
    cells: set[Path] = field(default_factory=set)

    def note(self, times: Counter[str], claimed: Claimed) -> None:
        """Take what this cell wants and does not send: of what it sends itself, all but the first."""
        self.wanted.update({key: times[key] for key in claimed.elsewhere})
        self.wanted.update({key: times[key] - 1 for key in claimed.now if times[key] > 1})
        self.cells |= set(claimed.elsewhere.values())


@dataclass
class OpenCell:
    """A cell whose lock this process holds. Requests may be settled in several rounds.

    The counters are of this run: ``done``, ``failed`` and ``in_batches``, out with a Batch API, of ``total`` wanted;
    ``reused``, known before; ``asked``, settled by this run, which had ``written_tokens`` written; ``out_of_money``,
    not reached. ``collecting_seconds`` were spent by `collect`.
    """

    lake: Lake
    spec: ModelSpec
    model: str
    prompt_batch: str
    journal: Path
    known: KnownAnswers
    claims: Claims
    progress: Progress
    connect: Connect
    reserve: Reserve
    unsettled: Unsettled
    rank: int = 0
    done: int = 0
    failed: int = 0
    in_batches: int = 0
    total: int = 0
    reused: int = 0
    asked: int = 0
    out_of_money: int = 0
    written_tokens: int = 0
    collecting_seconds: float = 0.0
    _following: Following | None = None
    _ways: list[Asker | BatchDesk] = field(default_factory=list)
    _brought: set[str] = field(default_factory=set)
    _just_collected: bool = False
    _telling: asyncio.TimerHandle | None = None

    @property
    def _left(self) -> int:
        """Requests that are neither settled nor out."""
        return self.total - self.done - self.failed - self.in_batches

    @property
    def sent(self) -> int:
        """Requests that went out."""
        return sum(way.sent for way in self._ways)

    @property
    def spent_usd(self) -> float:
        """What this run has spent, in US dollars."""
        return sum(way.spent_usd for way in self._ways)

    async def settle(self, requests: Callable[[], Iterable[list[Request]]], count: int) -> None:
        """Have every request of some lists settled, ``count`` in all; ask only for what no journal knows.

        Args:
            requests: gives the lists, again and again.
            count: of the requests; one that is wanted several times counts as often.

        Raises:
            SteerworksError: no request to this model can succeed for now; the text says why.
        """
        try:
            await self._settle(requests, count)
        except BaseException:
            self._tell()  # what was settled until now
            raise
        finally:
            if self._following:
                self._following.over()

    async def _settle(self, requests: Callable[[], Iterable[list[Request]]], count: int) -> None:
        self.total += count
        self.claims.release(self.journal)  # what a killed run left
        wanted: Counter[str] | None = None
        while wanted is None or wanted:
            others = _Others()
            self.known.refresh(self.journal)
            await self._settle_missing(self._missing(requests(), wanted, others))
            self.known.refresh(self.journal)
            self.claims.release(self.journal)  # if this is not reached, another cell takes them over
            self._tell()
            if self.out_of_money:
                return
            await self._wait_for(others)
            wanted = others.wanted

    def follow(self) -> Following:
        """Have the settling followed, list by list, by whoever takes them in the same order."""
        self._following = Following()
        return self._following

    async def answers_to(self, requests: list[Request], following: Following) -> dict[str, Answer]:
        """Return the answers to the next list, by request hash; what has none has none when all is settled.

        Raises:
            SteerworksError: a line of the cell's journal is no answer.
        """
        hashes = {request.request_hash for request in requests}
        answers = await following.take(hashes)
        answers |= self.known.find(self.journal, hashes - answers.keys())
        if hashes - answers.keys() and not following.is_over:
            self.known.refresh(self.journal)  # more came than could be kept at hand
            answers |= self.known.find(self.journal, hashes - answers.keys())
            if hashes - answers.keys():
                await following.ended()  # a batch or another cell may bring them until then
                answers |= self.known.find(self.journal, hashes - answers.keys())
        return answers

    async def settle_some(self, requests: list[Request]) -> dict[str, Answer]:
        """Have some requests settled, few enough for memory, and return what became of each, by request hash.

        Raises:
            SteerworksError: as `settle`.
        """
        await self.settle(lambda: [requests], len(requests))
        answers = self.known.find(self.journal, [request.request_hash for request in requests])
        return {r.request_hash: answers.get(r.request_hash) or self.unsettled.answer_to(r) for r in requests}

    async def collect(self) -> int:
        """Take in what has come back of the cell's batches, and ask for nothing; return how many requests stay out.

        Raises:
            SteerworksError: the provider cannot be reached or refuses. What other batches brought is taken in.
        """
        started = time.monotonic()
        log = BatchLog(self.journal)
        try:
            await self._collect(log)
        finally:
            self.claims.release(self.journal)
            self.collecting_seconds += time.monotonic() - started
        self._just_collected = True
        return len(log.requests_outstanding)

    def _missing(
        self, requests: Iterable[list[Request]], wanted: Counter[str] | None, others: _Others
    ) -> Iterator[Request]:
        """Claim and give what is not known; count what is. ``wanted`` says how often, if not all are."""
        for some in requests:
            each = {request.request_hash: request for request in some}
            times = Counter(request.request_hash for request in some)
            if wanted is not None:
                times = Counter({key: wanted.pop(key) for key in each if key in wanted})
            self._count_known(times)
            claimed = self.claims.claim(self.journal, times)
            self.unsettled.pending |= claimed.handed_in
            self.in_batches += sum(times[key] for key in claimed.handed_in)
            others.note(times, claimed)
            mine = Counter(claimed.now)  # in the order of the cell: what was under way when a run was killed goes first
            self._count_known(mine)  # answered between the look and the claim
            if self._following:
                self._following.passed(mine.keys() | (times.keys() - set(claimed.now)))
            yield from (each[key] for key in mine)

    def _count_known(self, times: Counter[str]) -> None:
        """Count those that are known, as often as they are wanted, and take them out."""
        for key, ok in self.known.statuses(self.journal, times).items():
            count = times.pop(key)
            self.reused += 0 if key in self._brought else count
            self.done += count if ok else 0
            self.failed += 0 if ok else count
        for key in [key for key in times if key in self.unsettled]:
            count, is_out = times.pop(key), key in self.unsettled.pending
            self.in_batches += count if is_out else 0
            self.failed += 0 if is_out else count

    async def _wait_for(self, others: _Others) -> None:
        """Wait until the cells that ask for what this one wants too have released it."""
        said = False
        while not all(self.claims.are_released(journal) for journal in others.cells - {self.journal}):
            if not said:
                self.progress.waiting(
                    f"{others.wanted.total()} requests of {self.model}, {self.prompt_batch} are under way for another "
                    "cell; waiting for its answers"
                )
                said = True
            await asyncio.sleep(SECONDS_BETWEEN_LOOKS)

    async def _settle_missing(self, missing: Iterator[Request]) -> None:
        """Collect what has come back of the cell's batches, and ask for what is missing and in no batch."""
        log = BatchLog(self.journal)
        if log.outstanding and not self._just_collected:
            await self._collect(log)
        self._just_collected = False
        self.unsettled.pending |= log.requests_outstanding
        asked_for: Iterator[Request] = (
            request for request in missing if request.request_hash not in self.unsettled.pending
        )
        if first := next(asked_for, None):
            self._tell()
            asked_for = itertools.chain([first], asked_for)
            await (self._hand_in(asked_for, log, self.spec.batch) if self.spec.batch else self._ask(asked_for))

    async def _ask(self, missing: Iterator[Request]) -> None:
        async with self._open_journal() as (channel, journal):
            asker = Asker(channel, journal, self.rank, self._take)
            self._ways.append(asker)
            await asker.ask(missing, self._left)
        if asker.out_of_money:
            self.out_of_money = self._left

    async def _collect(self, log: BatchLog) -> None:
        async with self._desk(log) as desk:
            try:
                await desk.collect()
            except SteerworksError as error:
                if self.spec.batch:
                    raise
                self.progress.waiting(str(error))  # the model has another way now for what is not out
        self.known.refresh(self.journal)

    async def _hand_in(self, missing: Iterator[Request], log: BatchLog, mode: BatchMode) -> None:
        async with self._desk(log) as desk:
            await desk.hand_in(missing, mode)
        self.unsettled.pending |= log.requests_outstanding
        self.in_batches += desk.sent
        if desk.out_of_money:
            self.out_of_money = self._left

    @asynccontextmanager
    async def _desk(self, log: BatchLog) -> AsyncIterator[BatchDesk]:
        async with self._open_journal() as (channel, journal):
            desk = BatchDesk(channel, log, journal, self._take_in, self._leave, self.progress.waiting)
            self._ways.append(desk)
            yield desk

    @asynccontextmanager
    async def _open_journal(self) -> AsyncIterator[tuple[Channel, Journal]]:
        channel = await self.connect()
        journal = Journal(self.journal, self.reserve)
        try:
            yield channel, journal
        finally:
            await journal.close()

    def _take(self, answer: Answer) -> None:
        self.asked += 1
        self.done += answer.status == "ok"
        self.failed += answer.status == "failed"
        self.written_tokens += answer.completion_tokens or 0
        if answer.answered_at is None:
            self.unsettled.note(answer)
        if self._following:
            self._following.settled(answer)
        self._tell_soon()

    def _take_in(self, answer: Answer) -> None:
        """Take what a batch brought; it is counted when it is looked up, for it may be wanted no longer."""
        self.asked += 1
        self.written_tokens += answer.completion_tokens or 0
        self._brought.add(answer.request_hash)

    def _leave(self, answer: Answer) -> None:
        self.failed += 1
        self.unsettled.note(answer)

    def _tell_soon(self) -> None:
        if self._telling is None:
            self._telling = asyncio.get_running_loop().call_later(SECONDS_BETWEEN_UPDATES, self._tell)

    def _tell(self) -> None:
        if self._telling:
            self._telling.cancel()
            self._telling = None
        self.progress.update(
            CellProgress(
                self.model,
                self.prompt_batch,
                self.done,
                self.failed + self.out_of_money,
                self.total,
                self.asked,
                self.spent_usd,
                self.out_of_money,
                self.in_batches,
            )
        )
