"""The pace at a cap: estimated where one was turned away, growing until the next one is.

Belongs here: steps and growth. Does not belong here: whether there is a cap, and whether it lets in anything at all
(`adaptive`).
"""

from __future__ import annotations

from math import inf

from dagster_project.generation.limits.capacity import Capacity
from dagster_project.generation.limits.closure import COARSE_RETRY_AFTER
from dagster_project.generation.limits.evidence import Evidence, UsualShare
from dagster_project.generation.limits.feedback import FeedbackTime
from dagster_project.generation.limits.pacer import BACK, Pacer
from dagster_project.generation.limits.traffic import SHORTEST_SECONDS, Traffic

TOUCH_EXCESS, TOUCH_TIMES, TOUCH_ALARM = 0.10, 2.0, 3.0
"""Where hardly any are turned away at random one shows that the cap is touched; where many are, chance brings runs."""
MEASURED = 50
"""Requests let in that make an estimate exact to some two per cent."""
STEP = 0.8
"""Not further back than this at once: where the cap has just been raised the estimate is too low. As the pace exceeds
goodput by no more than `GAIN`, one step is enough."""
GROWTH_PER_SECOND, LONGEST_GROWTH_SECONDS = 10.0, 3.0
"""Seconds to twice the pace, for each second that the estimate was made over: the longer, the better it is."""
GROWTH_FEEDBACKS, GROWTH_SENDS, GROWTH_RETRY_AFTERS = 4, 20, 2
"""But the server must have the time to object, and something to object to; and a long pause is not risked often."""
LATELY_SECONDS, GAIN = 1.0, 1.25
"""While it grows the pace exceeds what was let in of late by a quarter at most, as that of TCP BBR when it probes."""
LAST_SECONDS = 1.5
"""So close to the end a higher pace gains less than one that is turned away loses."""
BEYOND, BUSY_SHARE = 4.0, 0.82
"""A pace so far beyond goodput, and a client that leaves as much of its time unused as `GAIN` gives it: there is
nothing to limit. A tenth or more is lost also by a client that is limited, where its timers are late."""


class CappedPace:
    """Sends as fast as a cap allows, as far as is known."""

    def __init__(self, traffic: Traffic, feedback: FeedbackTime, usual: UsualShare) -> None:
        self.capacity = Capacity(traffic)
        self.decided = -inf
        self.retry_after = 0.0
        self.left = inf
        self._traffic = traffic
        self._feedback = feedback
        self._usual = usual
        self._touch = Evidence(TOUCH_EXCESS, TOUCH_TIMES, TOUCH_ALARM)
        self._pacer = Pacer()
        self._is_measured = False

    @property
    def requests_per_second(self) -> float:
        """The pace as decided last."""
        return self._pacer.estimate

    def delay(self, now: float) -> float:
        """Return the seconds until the next request is due."""
        return self._pacer.delay(now)

    def sent(self, now: float) -> float:
        """Take a send; return the seconds lost before it."""
        return self._pacer.sent(now, self._rate(now))

    def hold(self, until: float) -> None:
        """Send nothing before that."""
        self._pacer.hold(until)

    def decide(self, estimate: float, until: float, now: float) -> None:
        """Go on at an estimate of the cap, made from what was sent up to a moment."""
        growth = min(LONGEST_GROWTH_SECONDS, GROWTH_PER_SECOND * self.capacity.busy_seconds(until))
        growth = max(growth, GROWTH_FEEDBACKS * self._feedback.patience, GROWTH_SENDS / estimate)
        if self.retry_after > COARSE_RETRY_AFTER:
            growth = max(growth, GROWTH_RETRY_AFTERS * self.retry_after)
        self._pacer.set(estimate, growth, now)
        self._is_measured = self.capacity.let_in(until) >= MEASURED
        self._touch.forget()
        self.capacity.mark(until)
        self.decided = now

    def turned_away(self, sent_at: float, now: float, sends: int) -> None:
        """Take that one was turned away, so many sends after the one before; of those in a row only one counts."""
        if self._pacer.is_early(self._traffic.gap_before(sent_at), now):
            self._pacer.catch_up_less()
            return
        if sends != 1:
            self._touch.weigh(max(0, sends - 1), self._usual.value)
        if self._touch.is_enough:
            self._step_back(sent_at, now)

    def is_pointless(self, now: float) -> bool:
        """Tell whether the server takes whatever the client sends."""
        since = now - LATELY_SECONDS
        return (
            self.decided < since
            and self._pacer.rate(now) > BEYOND * self._goodput(now)
            and self._traffic.busy_seconds(since, now) < BUSY_SHARE * LATELY_SECONDS
        )

    def _step_back(self, sent_at: float, now: float) -> None:
        if self._is_measured:
            self._learn_usual(min(sent_at, self._pacer.flat_until))
        rate = min(self._rate(now), self._pacer.rate(now))
        estimate = self.capacity.estimate(sent_at, self._pacer.catches_up) / (1 - self._usual.value)
        at_least = STEP * rate if self.capacity.let_in(sent_at) >= MEASURED else 0.0
        self.decide(min(rate, max(estimate, at_least)), sent_at, now)
        self._is_measured = self._is_measured and estimate >= at_least

    def _learn_usual(self, until: float) -> None:
        """What was turned away below the estimate was so at random."""
        span = (self.decided, until)
        self._usual.learn(self._traffic.sent(*span), self._traffic.turned_away(*span))

    def _rate(self, now: float) -> float:
        goodput = self._goodput(now)
        if self.left < goodput * LAST_SECONDS:
            return min(self._pacer.rate(now), (1 - BACK) * max(self._pacer.estimate, goodput))
        return min(self._pacer.rate(now), max(self._pacer.estimate, GAIN * goodput))

    def _goodput(self, now: float) -> float:
        since = max(self.capacity.since, now - LATELY_SECONDS)
        let_in = self._traffic.let_in(since, now) + 1
        return let_in / max(SHORTEST_SECONDS, now - since) / (1 - self._usual.value)
