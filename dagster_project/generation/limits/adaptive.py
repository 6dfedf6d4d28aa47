"""The pace that an endpoint takes, found out from what it turns away.

    free -- too many turned away at once --> measuring -- enough seen --> capped -- too many --> measuring
                                             measuring -- nothing let in --> shut -- a probe let in --> capped

Free: nothing is held back. Measuring: sends go out at the rate that was let in since the first
429, so that the cap shows ever more exactly while ever fewer are turned away. Capped: a little
below the cap, growing slowly, stepping back when more are turned away than come at random. Shut:
one probe at a time, and none before Retry-After. Beside all that, x-ratelimit headers hold.

Belongs here: when the next request may be sent. Does not belong here: clocks, waiting, tries.
"""

from __future__ import annotations

from math import inf, log

from dagster_project.generation.limits.rate_headers import RateLimits
from dagster_project.generation.limits.told import ToldQuota
from dagster_project.generation.limits.traffic import Traffic

RANDOM_SHARE, CAP_SHARE = 0.10, 0.35
"""What the alarm tells apart: a tenth turned away at random is nothing to slow down for, a third is."""
ALARM = 9.5
"""Log-odds of a cap; eight in a row turned away, and one false alarm in some ten thousand sends at a tenth."""

TOUCH_SHARE, TOUCH_ALARM, TOUCH_ALARM_PER_SHARE = 0.10, 2.3, 40.0
"""The same while capped, against what is usual there: where nothing is, one turned away shows that the cap is
touched; where many are, chance brings runs of them, so more evidence is asked for."""
LEAST_USUAL = 0.01
"""One in a hundred is as good as none."""
USUAL_PRIOR, USUAL_MEMORY = 50, 400
"""In sends: how many without a 429 are taken for granted at first, and how far back the usual share looks."""
SHARE_OF_NOISE = 0.02
"""From this usual share on, an estimate may be wrong by chance, and one more 429 does no harm: pace grows faster."""

BELOW_CAP = 0.985
"""Nearly all of the cap, and slack for the jitter of timers."""
STEP, LATE_STEP = 0.95, 0.7
"""At most so far back at a touch, as estimates err; further if 429s come as late as answers, as there are more of
them on their way by then."""
LET_IN_BETWEEN_STEPS = 3
"""Fewer since the last step do not show what that step did."""
ESTIMATE_SECONDS, LATE_ESTIMATE_SECONDS = 1.0, 0.3
"""A cap is estimated over at least this span, as servers count by the second; over less right after late 429s, when
most of a second was spent on waiting for them."""
MOST_USUAL = 0.5
"""An estimate is made up for at most so many that are turned away at random."""
ABOVE_SENT = 1.02
"""A pace that the client does not reach, by more than chance, is not what the server objected to."""
MEASURED = 50
"""Requests let in that make an estimate exact to some two per cent."""

GROWTH_SECONDS, DOUBTFUL_GROWTH_SECONDS = 5.0, 0.75
"""The time to twice the pace, after a cap was seen and after a doubtful alarm."""
GROWTH_PER_MEASURED_SECOND = 40.0
"""While measuring, an estimate from a short span may be far off, so growth may be quick."""
GROWTH_SENDS, MEASURING_GROWTH_SENDS = 100, 10
"""But not in fewer sends than that: a slow server needs time to object."""
GROWTH_PER_RETRY_AFTER = 3.0
"""Where one 429 costs a long pause, pace is tried out less often."""
GROWTH_POWER = 8
"""Flat for the first half, so that the cap is hardly exceeded where it stayed, then steep to find where it went."""
FLAT_SHARE = 0.3
"""This share of the time to twice the pace it is as good as unchanged, so what is turned away then is so at random."""
LAST_SECONDS = 1.5
"""So close to the end a higher pace gains less than a Retry-After of a second costs."""

SHUT_AWAY, SHUT_LET_IN, SHUT_SECONDS = 8, 0.05, 0.01
"""Shut: so many turned away, next to none let in, for longer than between two tokens of a cap worth measuring."""
SHUT_SHARE = 0.25
"""Once capped: let in less than this share of what is normal; the window is used up."""
SILENT_AFTER_SECONDS = 0.1
"""So long a shut server is probed before Retry-After is waited for: a bucket of tokens opens within that."""
COARSE_RETRY_AFTER = 1.0
"""A Retry-After of a second is mostly a rounded fraction of one, so probes go on."""
PROBE_SECONDS, PROBE_SHARE, LONGEST_PROBE_SECONDS = 0.12, 0.25, 30.0
"""Between two of these, or this share of the time shut; where no Retry-After says how long, up to half a minute."""
RESUME_SECONDS = 2.0
"""Pace after a closure is what was let in over so long, or twice the closure: whole windows, also the shut part."""

CATCH_UP_SECONDS = 0.002
"""Timers come late by a millisecond or two; what they lose is made up for, more would be a burst."""
IDLE_SECONDS = 0.005
"""A longer silence of a free client means that all its requests are in flight."""
BROKEN_SECONDS = 0.02
"""A measurement with such a silence is broken off, as the server has saved up tokens by then."""
LATE_SHARE = 0.5
"""A 429 that takes more than this share of an answer's time comes late."""
PATIENCE_SHARE, PATIENCE_SECONDS = 3.0, 0.01
"""A probe that was not turned away after so many times what that usually takes, and some, was let in."""
LATENCY_MEMORY = 0.1
"""Weight of one reply in the running means of latency: some ten replies, as servers grow slower under load."""
SETTLING_SHARE, SETTLED_SHARE = 0.25, 1.2
"""In terms of latency: how long to hold at an alarm for the other replies, and when nearly all have come."""
STAGGER_SENDS, STAGGER_EVERY, STAGGER_SECONDS = 32, 8, 0.0005
"""At the start, breaks of two milliseconds in all let the first 429s be heard before a hundred sends are out."""
UNHELD_SENDS = 100
"""So many in a row that were not held back, at less than half the pace: there is nothing to limit."""


class _Evidence:
    """A sequential test (CUSUM): log-odds that more are turned away than usual; below none it does not fall."""

    def __init__(self) -> None:
        self.score = 0.0
        self.begins = True

    def add_turned_away(self, let_in_before: int, usual: float, many: float) -> None:
        before = self.score + let_in_before * log((1 - many) / (1 - usual))
        self.begins = before <= 0
        self.score = max(0.0, before) + log(many / usual)


class _Usual:
    """The share that is turned away whatever the pace."""

    def __init__(self) -> None:
        self._sends = float(USUAL_PRIOR)
        self._turned_away = 0.0
        self._pending = (0, 0)

    @property
    def share(self) -> float:
        return self._turned_away / self._sends

    def learn(self, sends: int, turned_away: int) -> None:
        self._sends += sends
        self._turned_away += turned_away
        if self._sends > USUAL_MEMORY:
            self._sends /= 2
            self._turned_away /= 2

    def learn_unless_alarm(self, sends: int, begins: bool) -> None:
        """One was turned away after so many sends; it counts once the next evidence begins from nothing."""
        if begins:
            self.learn(*self._pending)
            self._pending = (0, 0)
        self._pending = (self._pending[0] + sends, self._pending[1] + 1)

    def forget_pending(self) -> None:
        self._pending = (0, 0)


class AdaptivePace:
    """Says when to send, from what became of what was sent.

    All times are seconds of one monotonic clock, which the caller reads. Not for several threads.
    """

    def __init__(self) -> None:
        self._traffic = Traffic()
        self._quotas = (ToldQuota(counts_requests=True), ToldQuota(counts_requests=False))
        self._quota_holds = False
        self._left = inf
        self._alarm = _Evidence()
        self._touch = _Evidence()
        self._usual = _Usual()
        # Latencies, as running means, and what tells them apart.
        self._answer_seconds = 0.0
        self._turning_away_seconds = 0.0
        self._accepted_between = 0
        self._newest_turned_away = 0
        # The pace: `_base` as decided, None while free, and how it grows from there.
        self._base: float | None = None
        self._decided = 0.0
        self._growth = GROWTH_SECONDS
        self._at_estimate = True
        self._last = -inf
        self._held_until = -inf
        self._unheld = 0
        self._unheld_since = 0.0
        # Moments that estimates begin at.
        self._opened: float | None = None
        self._stepped = 0.0
        self._first_turned_away = 0.0
        self._newest_turned_away_at = 0.0
        self._silent_at = -inf
        self._measuring = False
        self._settles_at: float | None = None
        self._was_capped = False
        self._doubtful = False
        # A server that is shut.
        self._shut = False
        self._retry_after = 0.0
        self._closed_until = -inf
        self._probe_at = 0.0
        self._probed: float | None = None
        self._refused = 0.0
        self._slowest = 0.0

    # What the caller says and asks.

    def delay(self, now: float, in_flight: int) -> float:  # noqa: ARG002 - part of the interface; headers need it
        """Return the seconds until the next request may be sent, 0.0 if now; asking again later is always allowed."""
        waits = max(quota.delay(now) for quota in self._quotas)
        self._quota_holds = waits > 0
        if self._base is None:
            return max(waits, self._stagger(now))
        if self._settles_at is not None and now >= self._settles_at:
            self._settles_at = None
            if self._measuring:
                self._measure(now)
        if self._shut and (patience := self._patience(now)) > 0:
            return max(waits, patience)
        wait = max(self._due(now), self._held_until) - now
        if wait > 0:
            self._unheld = 0
            self._unheld_since = now
        return max(waits, wait, 0.0)

    def sent(self, now: float) -> None:
        """Take that a request goes out, right after `delay` gave 0."""
        for quota in self._quotas:
            quota.send(now)
        self._traffic.send(now, self._idle(now))
        if self._opened is None:
            self._opened = self._stepped = now
        if self._base is None:
            self._last = now
        elif self._shut:
            self._probed = self._last = now
        else:
            self._send_paced(now)

    def left(self, requests: int) -> None:
        """Take how many are still to be sent, if that is known; near the end nothing is tried out any more."""
        self._left = requests

    def accepted(self, sent_at: float, now: float) -> None:
        """Take a reply that does not turn away: answers, and errors of any other kind."""
        self._accepted_between += 1
        self._answer_seconds = _mean(self._answer_seconds, now - sent_at)
        if self._shut and self._probed is not None and sent_at >= self._probed:
            self._resume(now)

    def turned_away(self, sent_at: float, now: float, retry_after: float | None) -> None:
        """Take a 429, 503 or 529, with its Retry-After in seconds if it has one."""
        sends, let_in = self._note_turned_away(sent_at, now)
        if self._shut:
            self._refuse(sent_at, now, retry_after)
            return
        if not self._measuring:
            if self._base is not None and sent_at < self._decided:
                return  # The pace has changed since.
            self._sound(sent_at, let_in)
        if retry_after is not None:
            self._retry_after = max(self._retry_after, retry_after)
            self._closed_until = max(self._closed_until, sent_at + retry_after)
        if not self._measuring and self._alarm.score >= ALARM:
            self._begin_measuring(now)
        if self._measuring:
            self._measure(now)
        elif self._base is None:
            self._usual.learn_unless_alarm(max(0, sends), self._alarm.begins)
        else:
            self._feel(sent_at, now, sends)

    def told(self, now: float, in_flight: int, limits: RateLimits) -> None:
        """Take the x-ratelimit headers of a reply; the reply itself is no longer in flight."""
        for quota, said in zip(self._quotas, (limits.requests, limits.tokens), strict=True):
            if said is not None:
                quota.tell(now, in_flight, said)

    @property
    def requests_per_second(self) -> float | None:
        """The present pace; 0.0 during a pause, None while nothing limits it."""
        if self._shut:
            return 0.0
        if self._quota_holds:
            return max(quota.requests_per_second for quota in self._quotas)
        return self._base

    # Sending.

    def _stagger(self, now: float) -> float:
        sends = self._traffic.sent_up_to(inf)
        if not 0 < sends <= STAGGER_SENDS or sends % STAGGER_EVERY:
            return 0.0
        return max(0.0, self._last + STAGGER_SECONDS - now)

    def _patience(self, now: float) -> float:
        """Until the next probe, or until the last one would have been turned away; after that the server is open."""
        if self._probed is None:
            return self._probe_at - now
        patience = self._probed + PATIENCE_SHARE * self._turning_away_seconds + PATIENCE_SECONDS - now
        if patience <= 0:
            self._resume(now)
        return patience

    def _due(self, now: float) -> float:
        return self._last + 1 / self._pace(now)

    def _pace(self, now: float) -> float:
        assert self._base is not None  # noqa: S101 - only called while it is limited
        if self._left < self._base * LAST_SECONDS:
            return self._base
        seconds = max(self._growth, self._fewest_growth_sends / self._base)
        grown = max(0.0, now - self._decided) / seconds
        if grown < 1:
            return self._base * (1 + grown**GROWTH_POWER)
        self._base *= 2
        self._decided = now
        self._growth = min(self._growth, max(DOUBTFUL_GROWTH_SECONDS, self._growth / 2))
        return self._base

    @property
    def _fewest_growth_sends(self) -> int:
        return GROWTH_SENDS if self._growth >= DOUBTFUL_GROWTH_SECONDS else MEASURING_GROWTH_SENDS

    def _idle(self, now: float) -> float:
        """Seconds in which a client without a limit sent nothing."""
        if self._base is not None or self._last == -inf:
            return 0.0
        return max(0.0, now - self._last - IDLE_SECONDS)

    def _send_paced(self, now: float) -> None:
        due = self._due(now)
        if now - max(due, self._held_until) > BROKEN_SECONDS:
            self._silent_at = now
        self._last = max(due, now - CATCH_UP_SECONDS)
        self._unheld += 1
        if self._unheld < UNHELD_SENDS:
            return
        if 2 * self._unheld < self._pace(now) * (now - self._unheld_since):
            self._base = None
            self._measuring = False
        self._unheld = 0
        self._unheld_since = now

    def _decide(self, base: float, now: float, growth: float) -> None:
        self._base = max(base, 1 / LONGEST_PROBE_SECONDS)
        self._decided = now
        self._growth = growth

    # Hearing that one was turned away.

    @property
    def _is_late(self) -> bool:
        return 0 < self._answer_seconds * LATE_SHARE < self._turning_away_seconds

    def _note_turned_away(self, sent_at: float, now: float) -> tuple[int, int]:
        """Return how many were sent since the one before, this one included, and how many of them were let in.

        Where 429s come at once, sends that wait for a reply are let in. Where they come late nobody
        knows yet, and only answers tell.
        """
        self._traffic.turn_away(sent_at)
        self._turning_away_seconds = _mean(self._turning_away_seconds, now - sent_at)
        number = self._traffic.sent_up_to(sent_at)
        sends = number - self._newest_turned_away
        if sends > 0:
            self._newest_turned_away, self._newest_turned_away_at = number, sent_at
        accepted, self._accepted_between = self._accepted_between, 0
        if self._is_late:
            return sends, accepted
        return sends, sends - 1 if sends > 0 else -1  # one out of order had been counted as let in

    def _sound(self, sent_at: float, let_in: int) -> None:
        self._alarm.add_turned_away(let_in, RANDOM_SHARE, CAP_SHARE)
        if self._alarm.begins:
            self._first_turned_away = sent_at
            self._retry_after = 0.0
            self._closed_until = -inf
        self._first_turned_away = min(self._first_turned_away, sent_at)

    # Measuring.

    def _begin_measuring(self, now: float) -> None:
        self._measuring = True
        self._was_capped = self._base is not None
        self._usual.forget_pending()
        self._held_until = now + SETTLING_SHARE * self._turning_away_seconds
        span = (self._first_turned_away, self._newest_turned_away_at)
        self._doubtful = not self._is_late and self._traffic.let_in(*span) > self._traffic.turned_away(*span)

    def _measure(self, now: float) -> None:
        first, until = self._first_turned_away, self._newest_turned_away_at
        if self._is_late:
            if self._is_unsettled(now):
                return
            until = self._traffic.last_send(min(until, now - SETTLED_SHARE * self._answer_seconds))
        elif self._silent_at > first:
            self._first_turned_away = until
            return
        let_in = self._traffic.let_in(first, until)
        seconds = self._traffic.busy_seconds(first, until)
        if let_in >= MEASURED:
            self._end_measuring(until, now)
        elif self._is_shut(let_in, first, until):
            self._close(now)
        else:
            base = (let_in + 1) / seconds
            if let_in == 0 and self._base is not None:
                base = min(base, self._base)
            self._decide(base, now, min(GROWTH_SECONDS, GROWTH_PER_MEASURED_SECOND * seconds))

    def _is_unsettled(self, now: float) -> bool:
        """Most that were sent with the first are still on their way: hold until they have come, and look then."""
        settled = self._first_turned_away + SETTLED_SHARE * self._answer_seconds + 2 * IDLE_SECONDS
        if now >= settled:
            self._settles_at = None
            return False
        self._held_until = self._settles_at = settled
        if self._base is None:
            self._decide(1 / self._answer_seconds, now, GROWTH_SECONDS)
        return True

    def _end_measuring(self, until: float, now: float) -> None:
        pace = inf if self._base is None else self._pace(now)
        cap = self._traffic.goodput(self._first_turned_away, until)
        if self._is_late:
            cap = max(cap, self._traffic.goodput(until - LATE_ESTIMATE_SECONDS, until))
        growth = GROWTH_SECONDS
        if self._doubtful or self._usual.share >= SHARE_OF_NOISE:
            growth = DOUBTFUL_GROWTH_SECONDS
        self._measuring = False
        self._alarm = _Evidence()
        self._at_estimate = True
        self._step_to(cap if pace == inf else min(pace, max(cap, STEP * pace)), until, now, growth)

    # Capped.

    def _feel(self, sent_at: float, now: float, sends: int) -> None:
        since_decided = self._traffic.sent(self._decided, sent_at)
        usual = max(LEAST_USUAL, self._usual.share)
        self._touch.add_turned_away(max(0, min(sends, since_decided)) - 1, usual, usual + TOUCH_SHARE)
        alarm = TOUCH_ALARM + TOUCH_ALARM_PER_SHARE * (usual - LEAST_USUAL)
        if since_decided > LET_IN_BETWEEN_STEPS and self._touch.score >= alarm:
            self._step_back(sent_at, now)

    def _step_back(self, sent_at: float, now: float) -> None:
        opened = self._opened or 0.0
        recently = max(opened, sent_at - ESTIMATE_SECONDS)
        pace = min(self._pace(now), ABOVE_SENT * self._traffic.pace(recently, sent_at))
        goodput = self._traffic.goodput(max(opened, min(self._stepped, sent_at - ESTIMATE_SECONDS)), sent_at)
        estimate = goodput / (1 - min(MOST_USUAL, self._usual.share))
        least = (LATE_STEP if self._is_late else STEP) * pace
        self._learn_usual(sent_at)
        self._at_estimate = estimate >= least
        growth = GROWTH_SECONDS if self._usual.share < SHARE_OF_NOISE else GROWTH_SECONDS / 2
        self._step_to(min(pace, max(estimate, least)), sent_at, now, growth)

    def _learn_usual(self, sent_at: float) -> None:
        """Below the cap, and before pace grew, what was turned away was so at random."""
        if not self._at_estimate or self._alarm.score >= ALARM / 2:
            return
        flat = min(sent_at, self._decided + FLAT_SHARE * self._growth)
        span = (self._decided, flat)
        self._usual.learn(self._traffic.sent(*span), self._traffic.turned_away(*span))

    def _step_to(self, cap: float, seen_at: float, now: float, growth: float) -> None:
        self._decide(BELOW_CAP * cap, now, growth)
        self._stepped = seen_at
        self._touch = _Evidence()

    # Shut.

    def _is_shut(self, let_in: int, first: float, until: float) -> bool:
        turned_away = self._traffic.turned_away(first, until) + 1
        seconds = self._traffic.busy_seconds(first, until)
        if turned_away < SHUT_AWAY or seconds < SHUT_SECONDS:
            return False
        if let_in <= SHUT_LET_IN * turned_away:
            return True
        normally = self._traffic.let_in(since := max(self._opened or 0.0, until - RESUME_SECONDS), until)
        return self._was_capped and let_in / seconds < SHUT_SHARE * normally / max(IDLE_SECONDS, until - since)

    def _close(self, now: float) -> None:
        self._shut = True
        self._measuring = False
        self._probed = None
        self._slowest = 0.0
        self._plan_probe(now)
        self._decide(self._slowest, now, GROWTH_SECONDS)

    def _refuse(self, sent_at: float, now: float, retry_after: float | None) -> None:
        if retry_after is not None and (now >= self._closed_until or self._probed is None):
            self._closed_until = max(self._closed_until, now + retry_after)
            self._retry_after = retry_after
        if self._probed is not None and sent_at >= self._probed:
            self._probed = None
            self._plan_probe(now)

    def _plan_probe(self, now: float) -> None:
        self._refused = now
        shut = now - self._first_turned_away
        if self._retry_after <= COARSE_RETRY_AFTER:
            self._probe_at = now + min(shut, max(PROBE_SECONDS, PROBE_SHARE * shut), LONGEST_PROBE_SECONDS)
        elif shut < SILENT_AFTER_SECONDS:
            self._probe_at = min(now + shut, self._first_turned_away + SILENT_AFTER_SECONDS)
        else:
            self._probe_at = max(self._closed_until, now + shut)
        if self._retry_after <= COARSE_RETRY_AFTER or shut < 2 * SILENT_AFTER_SECONDS or not self._slowest:
            self._slowest = 1 / self._traffic.busy_seconds(self._first_turned_away, self._newest_turned_away_at)

    def _resume(self, now: float) -> None:
        """Go on at what was let in until the server opened, some time between the last two probes."""
        since = max(self._opened or 0.0, now - max(RESUME_SECONDS, 2 * (now - self._first_turned_away)))
        opened = (self._refused + now) / 2
        pace = self._traffic.let_in(since, now) / max(IDLE_SECONDS, opened - since)
        growth = GROWTH_SECONDS
        if self._retry_after > COARSE_RETRY_AFTER:
            growth = max(growth, GROWTH_PER_RETRY_AFTER * self._retry_after)
        self._shut = False
        self._last = self._opened = self._stepped = now
        self._touch, self._alarm = _Evidence(), _Evidence()
        self._decide(max(self._slowest, pace), now, growth)


def _mean(mean: float, value: float) -> float:
    """A running mean; the first value stands for all before it."""
    return mean + LATENCY_MEMORY * (value - mean) if mean else value
