"""What a reply's headers say about pace: limits, what is left of them, and when to come back.

Belongs here: the dialects of `x-ratelimit-*` and `Retry-After`. Does not belong here: what follows
from them (`adaptive`).
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

LONGEST_SECONDS = 32 * 86_400.0
"""Quotas are counted by the month at most; what is longer is a point in time, not a duration."""
LARGEST_COUNT = 1e12
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ns": 1e-9}
_NUMBER = r"[0-9]{1,20}(?:\.[0-9]{1,20})?|\.[0-9]{1,20}"
_PLAIN = re.compile(_NUMBER)
_PART = re.compile(rf"({_NUMBER})(h|ms|m|s|us|µs|μs|ns)")
_DURATION = re.compile(rf"(?:{_PART.pattern})+")


@dataclass(frozen=True, slots=True)
class RateLimit:
    """One quota: ``limit`` and ``remaining`` are counts, ``reset`` is in seconds from now; None: not said."""

    limit: float | None
    remaining: float
    reset: float | None


@dataclass(frozen=True, slots=True)
class RateLimits:
    """The quotas that a reply told of; None for one that it did not."""

    requests: RateLimit | None
    tokens: RateLimit | None


NO_LIMITS = RateLimits(None, None)
"""The one object for replies without such headers, so that `is` tells."""


def read_limits(headers: Mapping[str, str]) -> RateLimits:
    """Read `x-ratelimit-{limit,remaining,reset}-{requests,tokens}`, looked up by their lower-case names.

    Values that make no sense count as not said. Returns `NO_LIMITS` if nothing is said of what remains.
    """
    requests = headers.get("x-ratelimit-remaining-requests")
    tokens = headers.get("x-ratelimit-remaining-tokens")
    if requests is None and tokens is None:
        return NO_LIMITS
    of_requests, of_tokens = _limit(headers, "requests", requests), _limit(headers, "tokens", tokens)
    return NO_LIMITS if of_requests is None and of_tokens is None else RateLimits(of_requests, of_tokens)


def read_retry_after(headers: Mapping[str, str], wall_clock: float | None = None) -> float | None:
    """Return the seconds that the server asks to wait, or None if it does not say, or says nothing sensible.

    Args:
        headers: looked up by their lower-case names.
        wall_clock: seconds since 1970, against which a date is read; None takes the machine's clock.
    """
    milliseconds = headers.get("retry-after-ms")
    if milliseconds is not None and (seconds := _seconds(milliseconds, 0.001)) is not None:
        return seconds
    value = headers.get("retry-after")
    if value is None:
        return None
    seconds = _seconds(value)
    return _until(value, wall_clock) if seconds is None else seconds


def _limit(headers: Mapping[str, str], kind: str, remaining: str | None) -> RateLimit | None:
    left = _count(remaining)
    if left is None:
        return None
    return RateLimit(
        _count(headers.get(f"x-ratelimit-limit-{kind}")), left, _seconds(headers.get(f"x-ratelimit-reset-{kind}"))
    )


def _count(value: str | None) -> float | None:
    if value is None or not _PLAIN.fullmatch(value.strip()):
        return None
    count = float(value)
    return count if count <= LARGEST_COUNT else None


def _seconds(value: str | None, unit: float = 1.0) -> float | None:
    """Read plain seconds (`12`, `0.5`) or a duration as Go writes it (`6m0s`, `20ms`)."""
    if value is None:
        return None
    value = value.strip()
    if _PLAIN.fullmatch(value):
        seconds = float(value) * unit
    elif _DURATION.fullmatch(value):
        seconds = sum(float(number) * _UNITS[name] for number, name in _PART.findall(value))
    else:
        return None
    return seconds if seconds <= LONGEST_SECONDS else None


def _until(date: str, wall_clock: float | None) -> float | None:
    """Read an HTTP date; one that has passed means now."""
    try:
        then = parsedate_to_datetime(date)
        moment = then.replace(tzinfo=then.tzinfo or UTC).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    seconds = moment - (time.time() if wall_clock is None else wall_clock)
    return max(0.0, seconds) if math.isfinite(seconds) and seconds <= LONGEST_SECONDS else None
