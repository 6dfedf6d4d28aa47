"""The loop that asks: so many at once, at a pace, again after faults, until every request is settled.

Belongs here: concurrency, tries, and when to give up on a request or on the whole model. Does
not belong here: what a reply means (`replies`), how fast (`pace`), what it may cost (`budget`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dagster_project.errors import SteerworksError
from dagster_project.generation.answers import Answer, settled, unsettled
from dagster_project.generation.budget import Budget
from dagster_project.generation.endpoints import Connection
from dagster_project.generation.journal import Journal
from dagster_project.generation.pace import Pace, seconds_before
from dagster_project.generation.replies import Answered, Dead, Fault, Outcome, Refused
from dagster_project.generation.requests import Request
from dagster_project.settings import ModelsFile

MOST_TRIES = 6
MOST_THROTTLED_TRIES = 30
"""A 429 says nothing about the request itself, so it may come more often than other faults."""
UNHEARD_TRIES = 3
"""Tries of one request after which an endpoint that never said a word is taken to be down."""
LONGEST_RETRY_AFTER_SECONDS = 120.0
BUDGET_REASON = "budget"
KEPT = "The answers so far are kept, and will not be asked for again."


@dataclass
class _Asked:
    """A request on its way. ``since`` is when it was first sent, by the loop's clock."""

    request: Request
    tries: int = 0
    throttled: int = 0
    since: float = 0.0
    seconds: float = 0.0


class Asker:
    """Asks one model. A request that waits for its next try takes no place from others.

    Args:
        connection: to the model's endpoint.
        models: endpoints and models: how many at once and a minute, and what the journal keeps of the model.
        model: slug of the model.
        journal: where answers and permanent failures go before they count.
        budget: what may be spent.
        on_settled: called with each outcome, journalled or not.
    """

    def __init__(
        self,
        connection: Connection,
        models: ModelsFile,
        model: str,
        journal: Journal,
        budget: Budget,
        on_settled: Callable[[Answer], None],
    ) -> None:
        self.sent = 0
        self._connection = connection
        self._most_in_flight = models.endpoint_of(model).max_in_flight
        self._pace = Pace(models.endpoint_of(model).requests_per_minute)
        self._model = model
        self._spec = models.models[model]
        self._journal = journal
        self._budget = budget
        self._on_settled = on_settled
        self._queue: asyncio.Queue[_Asked] = asyncio.Queue()
        self._last_heard: float | None = None

    async def ask(self, requests: Sequence[Request]) -> None:
        """Settle every request.

        Raises:
            SteerworksError: the endpoint is down, or no request to this model can succeed.
        """
        for request in requests:
            self._queue.put_nowait(_Asked(request))
        workers = [asyncio.create_task(self._work()) for _ in range(min(self._most_in_flight, len(requests)))]
        drained = asyncio.create_task(self._queue.join())
        try:
            finished, _ = await asyncio.wait([drained, *workers], return_when=asyncio.FIRST_COMPLETED)
            for task in finished:
                task.result()
        finally:
            for task in (drained, *workers):
                task.cancel()
            await asyncio.gather(drained, *workers, return_exceptions=True)
            self._budget.abandon()

    async def _work(self) -> None:
        while True:
            asked = await self._queue.get()
            if not await self._budget.hold(asked.request):
                self._settle(self._unsettled(asked, BUDGET_REASON))
                continue
            await self._pace.turn()
            outcome = await self._send(asked)
            if isinstance(outcome, Answered | Refused):
                answer = settled(asked.request, self._spec, outcome, asked.tries, asked.seconds)
                await self._budget.release(asked.request, answer.cost_usd)  # it is paid for, whatever the disk says
                await self._journal.append(answer)
                self._settle(answer)
                continue
            await self._budget.release(asked.request, 0.0)
            if isinstance(outcome, Dead):
                raise SteerworksError(self._never(outcome))
            self._try_again_or_give_up(asked, outcome)

    async def _send(self, asked: _Asked) -> Outcome:
        clock = asyncio.get_running_loop().time
        start = clock()
        asked.since = asked.since or start
        asked.tries += 1
        self.sent += 1
        outcome = await self._connection.send(asked.request.body)
        asked.seconds = clock() - start
        if not isinstance(outcome, Fault) or outcome.replied:
            self._last_heard = clock()
        return outcome

    def _settle(self, answer: Answer) -> None:
        self._on_settled(answer)
        self._queue.task_done()

    def _unsettled(self, asked: _Asked, reason: str) -> Answer:
        return unsettled(asked.request, self._spec, reason, asked.tries)

    def _try_again_or_give_up(self, asked: _Asked, fault: Fault) -> None:
        if self._is_down(asked, fault):
            raise SteerworksError(self._down(asked, fault))
        if fault.retry_after is not None and fault.retry_after > LONGEST_RETRY_AFTER_SECONDS:
            raise SteerworksError(self._later(fault.retry_after))
        asked.throttled += fault.reason == "http_429"
        of_its_kind = asked.throttled if fault.reason == "http_429" else asked.tries - asked.throttled
        if of_its_kind >= (MOST_THROTTLED_TRIES if fault.reason == "http_429" else MOST_TRIES):
            self._settle(self._unsettled(asked, fault.reason))
            return
        delay = seconds_before(of_its_kind + 1, fault.retry_after)
        asyncio.get_running_loop().call_later(delay, self._put_back, asked)

    def _put_back(self, asked: _Asked) -> None:
        self._queue.put_nowait(asked)
        self._queue.task_done()

    def _is_down(self, asked: _Asked, fault: Fault) -> bool:
        """Nobody has heard from the endpoint since this request was first sent, and it was sent often enough."""
        if fault.replied or (self._last_heard is not None and self._last_heard >= asked.since):
            return False
        return asked.tries >= (UNHEARD_TRIES if self._last_heard is None else MOST_TRIES)

    def _down(self, asked: _Asked, fault: Fault) -> str:
        return (
            f"{self._endpoint}: no reply, {asked.tries} times in a row ({fault.reason}: {fault.detail}). Start the "
            f"server, or mend its `base_url` in models.yaml, and run again. {KEPT}"
        )

    def _later(self, retry_after: float) -> str:
        return (
            f"{self._endpoint} asks to be left alone for {retry_after:.0f} seconds (Retry-After), perhaps because a "
            f"quota is used up. Run again then. {KEPT}"
        )

    def _never(self, dead: Dead) -> str:
        said = f", and says: {dead.detail}" if dead.detail else ""
        return (
            f"{self._endpoint} {dead.problem}{said}. Mend the endpoint or the model's `name` in models.yaml, or the "
            f"key in the environment, and run again. {KEPT}"
        )

    @property
    def _endpoint(self) -> str:
        return f"model `{self._model}`: the endpoint `{self._connection.name}` at {self._connection.address}"
