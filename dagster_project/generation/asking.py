"""The loop that asks: as fast as the gate lets it, again after faults, until every request is settled.

Belongs here: tries, and when to give up on a request or on the whole model. Does not belong here:
what a reply means (`replies`), when a request may be sent (`limits`), where answers are kept (`journal`).
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from dagster_project.generation.answers import Answer
from dagster_project.generation.channel import Channel
from dagster_project.generation.journal import Journal
from dagster_project.generation.limits.gate import LONG_WAIT_SECONDS
from dagster_project.generation.limits.rate_headers import NO_LIMITS
from dagster_project.generation.prices import highest_cost_usd
from dagster_project.generation.replies import Answered, Dead, Fault, Outcome, Refused
from dagster_project.generation.requests import Request

MOST_TRIES = 8
MOST_TIMES_TURNED_AWAY = 50
"""Being turned away says nothing about the request itself, so it may come more often than other faults."""
MOST_GIVEN_UP = 50
"""So many requests in a row whose tries were used up: the endpoint is broken, and the rest need not find that out."""
WAITING_PER_PLACE = 4
"""Requests that wait for another try, for each place in flight; with more of them no fresh one is begun."""
UNHEARD_TRIES = 3
"""Tries of one request after which an endpoint that never said a word is taken to be down."""
FIRST_BACKOFF_SECONDS = 0.25
LONGEST_BACKOFF_SECONDS = 30.0
LONGEST_RETRY_AFTER_SECONDS = 120.0


@dataclass
class _Asked:
    """A request on its way. ``since`` is when it was first sent, by the monotonic clock.

    ``never_sent`` tries found the endpoint away, which says nothing about the request.
    """

    request: Request
    tries: int = 0
    turned_away: int = 0
    never_sent: int = 0
    since: float = 0.0


@dataclass(order=True)
class _Retry:
    due: float
    number: int
    asked: _Asked = field(compare=False)


class Asker:
    """Settles requests of one cell. A request that waits for its next try takes no place from others.

    Args:
        channel: to the model.
        journal: where answers and permanent failures go before they count.
        rank: of the cell; where several ask the same model, the lowest goes first.
        on_settled: called with each outcome; if it is one for the journal, once the disk holds it.

    Attributes:
        sent: requests that went out.
        left: requests that are not settled yet, at most.
        spent_usd: what they cost, given-up ones at the most that they can have cost.
        out_of_money: whether requests were left because the money did not reach for them.
    """

    def __init__(self, channel: Channel, journal: Journal, rank: int, on_settled: Callable[[Answer], None]) -> None:
        self.sent = 0
        self.left = 0
        self.spent_usd = 0.0
        self.out_of_money = False
        self._channel = channel
        self._journal = journal
        self._rank = rank
        self._on_settled = on_settled
        self._retries: list[_Retry] = []
        self._numbers = itertools.count()
        self._under_way: set[asyncio.Task[None]] = set()
        self._dispatching: asyncio.Task[None] | None = None
        self._something_ended = asyncio.Event()
        self._failure: BaseException | None = None

    async def ask(self, requests: Iterator[Request], count: int) -> None:
        """Settle every request, ``count`` at most, or stop when the money is spent.

        Raises:
            SteerworksError: the endpoint is down, no request to this model can succeed, or the disk takes no answer.
                What was under way then is waited for and kept.
        """
        self._channel.join(self)
        self._journal.watch(self.stop)
        self.left = count
        self._dispatching = asyncio.create_task(self._dispatch(requests))
        try:
            with self._channel.asking():
                await asyncio.wait([self._dispatching])
            while self._under_way:
                await asyncio.wait(self._under_way)
            await self._journal.all_on_disk()
        finally:
            await self._abandon()
            self._channel.leave(self)
        if self._failure:
            raise self._failure
        if not self._dispatching.cancelled():
            self._dispatching.result()

    def stop(self, failure: BaseException) -> None:
        """Send nothing more."""
        self._failure = self._failure or failure
        if self._dispatching:
            self._dispatching.cancel()

    async def _abandon(self) -> None:
        """Give up what is still under way; it counts as paid for."""
        tasks = [task for task in (self._dispatching, *self._under_way) if task and not task.done()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _dispatch(self, requests: Iterator[Request]) -> None:
        if self._channel.failure:
            raise self._channel.failure
        while asked := await self._next(requests):
            await self._channel.turns.take(self._rank)
            try:
                self.out_of_money = not await self._send_off(asked)
            finally:
                self._channel.turns.give_up()
            if self.out_of_money:
                return

    async def _send_off(self, asked: _Asked) -> bool:
        """Send a request when its turn has come; say False if there is no money for it."""
        channel = self._channel
        held = highest_cost_usd(channel.spec.prices, asked.request)
        if held and not await channel.budget.hold(held):
            return False
        channel.gate.pace.left(channel.left)
        tokens = asked.request.likely_prompt_tokens + asked.request.max_tokens
        try:
            await channel.outage.wait()
            sent_at = await channel.gate.enter(tokens)
        except BaseException:
            channel.budget.settle(held, 0.0)
            raise
        channel.outage.sent(sent_at)
        task = asyncio.create_task(self._try(asked, sent_at, tokens, held))
        self._under_way.add(task)
        task.add_done_callback(self._ended)
        return True

    async def _next(self, requests: Iterator[Request]) -> _Asked | None:
        """Return what to send next: what is due for another try first; None when nothing is left or on its way."""
        clock = time.monotonic
        while True:
            if self._retries and self._retries[0].due <= clock():
                return heapq.heappop(self._retries).asked
            may_begin = len(self._retries) < WAITING_PER_PLACE * self._channel.gate.most
            if may_begin and (fresh := next(requests, None)):
                return _Asked(fresh)
            if not self._retries and not self._under_way:
                return None
            self._something_ended.clear()
            wait = self._retries[0].due - clock() if self._retries else None
            self._say_if_long(wait or 0.0)
            try:
                await asyncio.wait_for(self._something_ended.wait(), wait)
            except TimeoutError:
                continue

    def _say_if_long(self, wait: float) -> None:
        if wait > LONG_WAIT_SECONDS and not self._under_way:
            again = f"{len(self._retries)} requests" if len(self._retries) > 1 else "a request"
            self._channel.say(f"model `{self._channel.model}`: waiting {wait:.0f} s before {again} can be sent again")

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._something_ended.set()
        if not task.cancelled() and (error := task.exception()):
            self.stop(error)

    async def _try(self, asked: _Asked, sent_at: float, tokens: int, held: float) -> None:
        """Send a request once. Only what was written down has left the gate: after a kill no more is asked again."""
        asked.since = asked.since or sent_at
        asked.tries += 1
        self.sent += 1
        unused, cost = 0, held
        try:
            outcome = await self._send(asked.request, sent_at)
            seconds = time.monotonic() - sent_at
            unused = _tokens_unused(tokens, outcome)
            if isinstance(outcome, Answered | Refused):
                answer = self._channel.answers.settled(asked.request, outcome, asked.tries, seconds)
                cost = answer.cost_usd
                self._journal.write(answer, self._on_settled)
                self.left -= 1
                self._channel.given_up = 0
            elif not (isinstance(outcome, Fault) and outcome.may_cost):
                cost = 0.0
        finally:
            self.spent_usd += cost
            self._channel.budget.settle(held, cost)
            self._channel.gate.leave(unused)
            self._channel.outage.lost(sent_at)
        if isinstance(outcome, Fault):
            self._try_again_or_give_up(asked, outcome)

    async def _send(self, request: Request, sent_at: float) -> Outcome:
        channel = self._channel
        outcome, limits = await channel.connection.send(request)
        now = time.monotonic()
        if isinstance(outcome, Fault) and outcome.turned_away:
            channel.gate.pace.turned_away(sent_at, now, outcome.retry_after)
        elif not isinstance(outcome, Fault) or outcome.replied:
            channel.gate.pace.accepted(sent_at, now)
        if limits is not NO_LIMITS:
            channel.gate.told(limits)
        if isinstance(outcome, Fault) and not outcome.replied:
            channel.unheard(sent_at, now, outcome)
        else:
            channel.heard(now)
        if isinstance(outcome, Dead):
            said = f", and says: {outcome.detail}" if outcome.detail else ""
            variable = channel.connection.endpoint.api_key_env
            key = f"the key in the variable {variable}" if variable else "name its key's variable by `api_key_env`"
            mend = f"Mend the endpoint or the model's `name` in models.yaml, or {key}, and run again"
            channel.fail(f"{outcome.problem}{said}. {mend}")
        return outcome

    def _try_again_or_give_up(self, asked: _Asked, fault: Fault) -> None:
        if unheard := self._is_down(asked, fault):
            self._channel.fail(
                f"gave no reply, {unheard} ({fault.reason}: {fault.detail}). Start the server, or mend its `base_url` "
                "in models.yaml, and run again"
            )
        elif fault.retry_after is not None and fault.retry_after > LONGEST_RETRY_AFTER_SECONDS:
            self._channel.fail(
                f"asks to be left alone for {fault.retry_after:.0f} seconds (Retry-After), perhaps because a quota is "
                "used up. Run again then"
            )
        else:
            asked.turned_away += fault.turned_away
            asked.never_sent += fault.never_sent and self._channel.outage.since is not None
            others = asked.tries - asked.turned_away - asked.never_sent
            of_its_kind = asked.turned_away if fault.turned_away else others
            if of_its_kind >= (MOST_TIMES_TURNED_AWAY if fault.turned_away else MOST_TRIES):
                self._give_up(asked, fault)
                return
            due = time.monotonic() + seconds_before(of_its_kind + 1, fault.retry_after)
            heapq.heappush(self._retries, _Retry(due, next(self._numbers), asked))

    def _give_up(self, asked: _Asked, fault: Fault) -> None:
        self.left -= 1
        self._on_settled(self._channel.answers.unsettled(asked.request, fault.reason, asked.tries))
        self._channel.given_up += 1
        if self._channel.given_up >= MOST_GIVEN_UP:
            self._channel.fail(
                f"answered none of the last {MOST_GIVEN_UP} requests, however often they were sent ({fault.reason}: "
                f"{fault.detail}). Mend it, and run again"
            )

    def _is_down(self, asked: _Asked, fault: Fault) -> str:
        """Say for how long nobody has heard from the endpoint, if that is too long to go on; otherwise nothing."""
        outage = self._channel.outage
        if fault.replied:
            return ""
        if outage.since is not None:
            too_long = outage.is_too_long(time.monotonic())
            return f"for {outage.most_seconds:.0f} seconds" if too_long else ""
        if fault.connection_failed or (outage.last_heard is not None and outage.last_heard >= asked.since):
            return ""
        too_often = asked.tries >= (UNHEARD_TRIES if outage.last_heard is None else MOST_TRIES)
        return f"{asked.tries} times in a row" if too_often else ""


def seconds_before(next_try: int, retry_after: float | None) -> float:
    """Return how long to wait before a further try (2 for the second), in seconds.

    Exponential with jitter. A server's Retry-After is a lower bound; a little on top keeps those that were turned
    away together from coming back in the same instant.
    """
    jitter = random.uniform(0.5, 1.0)  # noqa: S311 - spreads load; nothing is decided by it
    if retry_after is not None:
        return retry_after + 0.1 * (jitter - 0.5)
    return min(LONGEST_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2.0 ** (next_try - 2)) * jitter


def _tokens_unused(tokens: int, outcome: Outcome) -> int:
    """Return how many tokens were booked too many; negative if too few. A fault's are given back whole."""
    if isinstance(outcome, Answered | Refused):
        total = outcome.usage.total
        return 0 if total is None else tokens - total
    return 0 if isinstance(outcome, Fault) and outcome.may_cost else tokens
