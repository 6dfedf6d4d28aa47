"""What a server's own account of a quota, its x-ratelimit headers, allows.

Belongs here: how many more requests fit into one quota, and when. Does not belong here: reading
headers (`rate_headers`), or what replies without them tell (`adaptive`).
"""

from __future__ import annotations

from math import inf

from dagster_project.generation.limits.rate_headers import RateLimit

ASK_AGAIN_SECONDS = 1.0
"""After the moment that the server named, one request a second finds out what holds now."""
TELLING_CHANGE = 1.5
"""Use must have changed by this factor to show whether the reset is in proportion to it."""
PROPORTION = 0.25
"""So far off the proportion may be, as servers round."""
COST_MEMORY = 0.05
"""Weight of one reply in the running mean of what a request costs: some twenty replies, as prompts differ in length."""


class ToldQuota:
    """One quota, as a reply told of it last.

    Two kinds are told apart: in a token bucket the time to reset is in proportion to what is used
    and their ratio is the refill; in a window of the clock it runs down by itself. Until that is
    known the quota is taken for a window, which waits longer.

    Args:
        counts_requests: a request costs one; otherwise its cost is learned from what the headers count down.
    """

    def __init__(self, counts_requests: bool) -> None:
        self._counts_requests = counts_requests
        self._mean_cost: float | None = None
        self._remaining = inf
        self._in_flight = 0
        self._told_at = 0.0
        self._said: tuple[float, float] | None = None
        self._is_bucket = False
        self._proportion: tuple[float, float] | None = None
        self._refill = 0.0
        self._reset_at = -inf
        self._ask_again_at = -inf

    def tell(self, now: float, in_flight: int, said: RateLimit) -> None:
        """Take what a reply said; requests in flight may not be counted in it yet, so they are taken off."""
        reset = ASK_AGAIN_SECONDS if said.reset is None else said.reset
        if said.limit is not None and reset > 0:
            self._tell_kind(max(0.0, said.limit - said.remaining), reset)
        if not self._counts_requests:
            self._learn_cost(now, said.remaining)
        self._remaining = min(said.remaining, self._expected(now))
        self._reset_at = now + reset if now >= self._reset_at or self._is_bucket else min(self._reset_at, now + reset)
        self._told_at = now
        self._in_flight = in_flight

    def delay(self, now: float) -> float:
        """Return the seconds until one more request fits; 0.0 if it does now."""
        if self._remaining == inf:
            return 0.0
        refilled = self._refill * (now - self._told_at)
        short = self._cost * (self._in_flight + 1) - self._remaining - refilled
        if short <= 0:
            return 0.0
        until_reset = max(self._reset_at, self._ask_again_at) - now
        return max(0.0, min(until_reset, short / self._refill) if self._refill else until_reset)

    def let_in(self, sent_at: float) -> None:
        """Take a reply to a request that was let in; if it was sent after the reset, what was told before is over.

        Some servers tell of a quota only where it is used up, or now and then.
        """
        if sent_at >= self._reset_at:
            self._remaining = inf

    def send(self, now: float) -> None:
        """Take that a request goes out now."""
        self._in_flight += 1
        if now >= self._reset_at:
            self._ask_again_at = now + ASK_AGAIN_SECONDS

    @property
    def requests_per_second(self) -> float:
        """What is refilled; 0.0 for a window, which only its end refills."""
        return self._refill / self._cost

    @property
    def _cost(self) -> float:
        return max(1.0, self._mean_cost or 0.0)

    def _expected(self, now: float) -> float:
        """At most so much remains by earlier replies: replies overtake each other, and the latest may be the oldest."""
        if self._is_bucket:
            return self._remaining + self._refill * (now - self._told_at)
        return inf if now >= self._reset_at else self._remaining

    def _tell_kind(self, used: float, reset: float) -> None:
        if used <= 0:
            return
        per_second = used / reset
        if self._proportion is None:
            self._proportion = (used, per_second)
            return
        used_before, per_second_before = self._proportion
        if max(used, used_before) >= TELLING_CHANGE * min(used, used_before):
            was_bucket, self._is_bucket = self._is_bucket, abs(per_second / per_second_before - 1) < PROPORTION
            self._proportion = (used, per_second)
            if was_bucket != self._is_bucket:
                self._remaining = inf
        self._refill = per_second if self._is_bucket else 0.0

    def _learn_cost(self, now: float, remaining: float) -> None:
        """Replies come in any order, but their differences add up to what was used."""
        if self._said is not None:
            at, before = self._said
            cost = before - remaining + self._refill * (now - at)
            mean = cost if self._mean_cost is None else self._mean_cost
            self._mean_cost = mean + COST_MEMORY * (cost - mean)
        self._said = (now, remaining)
