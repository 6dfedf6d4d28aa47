"""The pace that an endpoint takes, found out from what it turns away.

    free -- too many turned away --> settling -- some let in ----------------------> capped -- nothing to limit --> free
                                              -- none --> closed -- a probe let in --> capped -- too many --> settling

Free: nothing is held back, but for a slow start. Settling: nothing is sent until it is known what became of what is on
its way. Capped: close to the cap, which is estimated where it turns one away (`capped`). Closed: one probe at a time
(`closure`). Beside all that, x-ratelimit headers hold (`told`).

Belongs here: which of these it is, and when that changes. Does not belong here: clocks, waiting, tries.
"""

from __future__ import annotations

from math import inf, log2

from dagster_project.generation.limits.capped import CappedPace
from dagster_project.generation.limits.closure import Closure
from dagster_project.generation.limits.evidence import Evidence, UsualShare
from dagster_project.generation.limits.feedback import FeedbackTime
from dagster_project.generation.limits.rate_headers import RateLimits
from dagster_project.generation.limits.slowdown import MUCH, Slowdown
from dagster_project.generation.limits.told import ToldQuota
from dagster_project.generation.limits.traffic import SHORTEST_SECONDS, Traffic
from dagster_project.generation.limits.window import Windows

FIRST_SENDS, DOUBLING_SECONDS = 4, 0.008
"""Slow start: so many at once, and twice as many every few milliseconds, in which the first 429s are heard. A hundred
are out after four times that, hardly later than a busy client would have sent them anyway."""
LEAST_RANDOM, CAP_EXCESS, CAP_ALARM = 0.10, 0.25, 9.0
"""A tenth turned away at random is nothing to slow down for; an exceeded cap turns away a quarter more. Eight in a row
raise the alarm; where a tenth is, chance does so once in a hundred thousand sends."""
IDLE_SECONDS = 0.02
"""A longer silence of a free client means that all its requests are in flight."""


class AdaptivePace:
    """Says when to send, from what became of what was sent.

    All times are seconds of one monotonic clock, which the caller reads. Not for several threads.
    """

    def __init__(self) -> None:
        self._quotas = (ToldQuota(counts_requests=True), ToldQuota(counts_requests=False))
        self._quota_holds = False
        self._traffic = Traffic()
        self._feedback = FeedbackTime()
        self._usual = UsualShare()
        self._evidence = Evidence(CAP_EXCESS, 1.0, CAP_ALARM)
        self._pending = (0, 0)
        self._capped = CappedPace(self._traffic, self._feedback, self._usual)
        self._is_free = True
        self._settles_at: float | None = None
        self._closure: Closure | None = None
        self._windows = Windows()
        self._slowdown = Slowdown(self._traffic)
        self._started = 0.0
        self._sends = 0
        self._last = 0.0
        self._first_turned_away = -inf
        self._newest_turned_away = -inf
        self._alarmed = -inf

    # What the caller says and asks.

    def delay(self, now: float, in_flight: int) -> float:  # noqa: ARG002 - part of the interface
        """Return the seconds until the next request may be sent, 0.0 if now; asking again later is always allowed."""
        waits = max(quota.delay(now) for quota in self._quotas)
        self._quota_holds = waits > 0
        if self._settles_at is not None and now >= self._settles_at:
            self._settle(now)
        if self._is_closed:
            return max(waits, self._probing_delay(now))
        return max(waits, self._slow_start(now) if self._is_free else self._capped.delay(now))

    def sent(self, now: float) -> None:
        """Take that a request goes out, right after `delay` gave 0."""
        for quota in self._quotas:
            quota.send(now)
        self._traffic.send(now, self._lost(now))
        self._sends += 1
        self._last = now

    def left(self, requests: int) -> None:
        """Take how many are still to be sent, if that is known; near the end nothing is tried out any more."""
        self._capped.left = requests

    def accepted(self, sent_at: float, now: float) -> None:
        """Take a reply that does not turn away: answers, and errors of any other kind.

        It ends what was told of quotas until their reset, so what this reply tells itself (`told`) is taken after it.
        """
        for quota in self._quotas:
            quota.let_in(sent_at)
        if self._closure and self._closure.probed is not None and sent_at >= self._closure.probed:
            self._open(self._closure, now)

    def turned_away(self, sent_at: float, now: float, retry_after: float | None) -> None:
        """Take a 429, 503 or 529, with its Retry-After in seconds if it has one."""
        self._capped.retry_after = retry_after or 0.0
        self._traffic.turn_away(sent_at)
        self._feedback.hear(now - sent_at)
        if self._closure and self._is_refused(self._closure, sent_at):
            self._closure.refuse(sent_at, now, self._capped.retry_after)
        elif self._settles_at is None and (self._is_free or sent_at >= self._capped.decided):
            self._weigh(sent_at, now)
        self._newest_turned_away = max(self._newest_turned_away, sent_at)

    def told(self, now: float, in_flight: int, limits: RateLimits) -> None:
        """Take the x-ratelimit headers of a reply; the reply itself is no longer in flight."""
        for quota, said in zip(self._quotas, (limits.requests, limits.tokens), strict=True):
            if said is not None:
                quota.tell(now, in_flight, said)

    @property
    def requests_per_second(self) -> float | None:
        """The present pace; 0.0 during a pause, None while nothing limits it."""
        if self._is_closed or self._settles_at is not None:
            return 0.0
        if self._quota_holds:
            return max(quota.requests_per_second for quota in self._quotas)
        return None if self._is_free else self._capped.requests_per_second

    # Sending.

    @property
    def _is_closed(self) -> bool:
        return self._closure is not None and self._closure.opened is None

    def _slow_start(self, now: float) -> float:
        if self._sends < FIRST_SENDS:
            return 0.0
        return max(0.0, self._started + DOUBLING_SECONDS * log2((self._sends + 1) / FIRST_SENDS) - now)

    def _probing_delay(self, now: float) -> float:
        """Until the next probe, or until the last one would have been turned away; after that the server is open."""
        assert self._closure is not None  # noqa: S101 - only called while closed
        if self._closure.probed is None:
            return self._closure.delay(now)
        patience = self._closure.probed + self._feedback.patience - now
        if patience <= 0:
            self._open(self._closure, now)
        return max(0.0, patience)

    def _lost(self, now: float) -> float:
        """Take a send according to the present state; return the seconds lost before it."""
        if self._closure and self._closure.opened is None:
            self._closure.probed = now
        elif not self._is_free:
            lost = self._capped.sent(now)
            self._is_free = self._capped.is_pointless(now)
            if self._is_free:
                self._slowdown.end()
            return lost
        elif not self._sends:
            self._started = self._last = now
        return max(0.0, now - self._last - IDLE_SECONDS)

    # Hearing that one was turned away.

    def _is_refused(self, closure: Closure, sent_at: float) -> bool:
        """Tell whether it is closed, or was taken for open too early."""
        if closure.opened is None:
            return True
        return sent_at >= closure.opened and not self._traffic.let_in(closure.since, sent_at)

    def _weigh(self, sent_at: float, now: float) -> None:
        sends = self._sends_since_last(sent_at)
        begins = self._evidence.weigh(sends - 1 if sends > 0 else -1, max(LEAST_RANDOM, self._usual.value))
        self._first_turned_away = sent_at if begins else min(self._first_turned_away, sent_at)
        if self._is_free:
            self._learn_unless_alarm(max(0, sends), begins)
        if self._evidence.is_enough:
            self._raise_alarm(now)
        elif not self._is_free:
            self._capped.turned_away(sent_at, now, sends)

    def _sends_since_last(self, sent_at: float) -> int:
        since = max(self._newest_turned_away, self._capped.decided)
        return self._traffic.sent(since, sent_at) - self._traffic.sent(sent_at, since)

    def _learn_unless_alarm(self, sends: int, begins: bool) -> None:
        """One was turned away after so many sends; it counts once the next evidence begins from nothing."""
        if begins:
            self._usual.learn(*self._pending)
            self._pending = (0, 0)
        self._pending = (self._pending[0] + sends, self._pending[1] + 1)

    def _raise_alarm(self, now: float) -> None:
        """Hold until it is known what became of what is on its way."""
        since = max(self._started, now - 1.0)
        self._slowdown.begin(self._traffic.sent(since, now) / max(SHORTEST_SECONDS, now - since))
        self._is_free = False
        self._pending = (0, 0)
        self._settles_at = now + self._feedback.patience
        self._capped.hold(self._settles_at)

    def _settle(self, now: float) -> None:
        """Decide after an alarm. If some were let in since it began, the cap is another one than before."""
        self._settles_at = None
        self._evidence.forget()
        first, until = self._first_turned_away, self._newest_turned_away
        let_in = self._traffic.let_in(first, until)
        if let_in and (share := self._slowdown.share_turned_away(first)) >= MUCH:
            self._go_on_as_before(share, now)
            return
        self._capped.capacity.forget(before=inf if let_in else self._alarmed)
        self._capped.capacity.mark(first)
        self._alarmed = first
        if let_in:
            seconds = min(until - first, self._traffic.busy_seconds(first, until) + self._feedback.patience)
            estimate = (let_in + 1) / max(SHORTEST_SECONDS, seconds)
            self._slowdown.decide(estimate, now)
            self._capped.decide(estimate, until, now)
        else:
            self._close(now)

    def _go_on_as_before(self, share: float, now: float) -> None:
        """Take back that the pace was slowed down: as many are turned away as before, so that is chance."""
        self._usual.take(share)
        self._capped.hold(now)
        self._capped.decide(self._slowdown.pace, now, now)
        self._slowdown.end()

    def _close(self, now: float) -> None:
        before = self._closure
        counted_from = self._started
        if before and before.opened is not None:
            counted_from = before.opened if before.was_window else before.counted_from
        self._closure = Closure(
            self._first_turned_away, self._newest_turned_away, counted_from, now, self._capped.retry_after
        )

    def _open(self, closure: Closure, now: float) -> None:
        """Go on after a closure: at the rate that whole windows let in, if it was long enough to be a used-up one."""
        opened = closure.open()
        if not self._traffic.let_in(-inf, closure.since):
            self._begin_again()
            return
        estimate = max(
            self._capped.capacity.estimate(opened, saves=True),
            1 / max(SHORTEST_SECONDS, closure.refused - closure.since),
        )
        if closure.was_window:
            let_in = self._traffic.let_in(closure.counted_from, opened)
            seconds_open = closure.since - closure.counted_from
            estimate = max(estimate, self._windows.rate(let_in, seconds_open, opened - closure.counted_from))
        self._capped.hold(now)
        self._capped.decide(estimate, opened, now)

    def _begin_again(self) -> None:
        """Go on as at the start: what has never let anything in until now has told nothing of a pace."""
        self._is_free = True
        self._sends = 0
