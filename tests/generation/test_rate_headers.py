"""Rate headers are read in the dialects of the providers, and nonsense in them never stops anything."""

from __future__ import annotations

import time
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagster_project.generation.limits.rate_headers import (
    LONGEST_SECONDS,
    NO_LIMITS,
    RateLimit,
    RateLimits,
    read_limits,
    read_retry_after,
)

NAMES = [
    *(f"x-ratelimit-{what}-{kind}" for what in ("limit", "remaining", "reset") for kind in ("requests", "tokens")),
    "retry-after",
    "retry-after-ms",
]
WALL_CLOCK = 1_800_000_000.0


def test_openai_tells_requests_and_tokens_with_go_durations() -> None:
    headers = {
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-limit-tokens": "150000",
        "x-ratelimit-remaining-requests": "59",
        "x-ratelimit-remaining-tokens": "149984",
        "x-ratelimit-reset-requests": "1s",
        "x-ratelimit-reset-tokens": "6m0s",
    }
    assert read_limits(headers) == RateLimits(RateLimit(60, 59, 1), RateLimit(150_000, 149_984, 360))


def test_azure_tells_what_remains_and_little_else() -> None:
    headers = {"x-ratelimit-remaining-requests": "9", "x-ratelimit-remaining-tokens": "900"}
    assert read_limits(headers) == RateLimits(RateLimit(None, 9, None), RateLimit(None, 900, None))


@pytest.mark.parametrize(
    ("reset", "seconds"),
    [
        ("6m0s", 360),
        ("1.2s", 1.2),
        ("20ms", 0.02),
        ("2m59.56s", 179.56),
        ("1h0m0s", 3600),
        ("7.66s", 7.66),
        ("350µs", 0.00035),
        ("0s", 0),
        ("12", 12),
        ("0.5", 0.5),
        (" 3 ", 3),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("-1s", None),
        ("inf", None),
        ("nan", None),
        ("1_0", None),
        ("1e3", None),
        ("5 s", None),
        ("1792569600", None),
        ("1792569600000ms", None),
        ("2026-05-04T09:12:00Z", None),
    ],
)
def test_a_reset_is_a_duration_or_not_said(reset: str, seconds: float | None) -> None:
    limits = read_limits({"x-ratelimit-remaining-requests": "1", "x-ratelimit-reset-requests": reset})
    assert limits.requests is not None
    assert limits.requests.reset == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize("remaining", ["", "-1", "many", "inf", "9" * 30, "1.2.3"])
def test_what_remains_must_be_a_count(remaining: str) -> None:
    headers = {"x-ratelimit-limit-requests": "10", "x-ratelimit-remaining-requests": remaining}
    assert read_limits(headers) is NO_LIMITS


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "2"}, 2),
        ({"retry-after": "0.25"}, 0.25),
        ({"retry-after": "1m30s"}, 90),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "1"}, 1),
        ({"retry-after": formatdate(WALL_CLOCK + 30, usegmt=True)}, 30),
        ({"retry-after": formatdate(WALL_CLOCK - 30, usegmt=True)}, 0),
        ({"retry-after": formatdate(WALL_CLOCK + 2 * LONGEST_SECONDS, usegmt=True)}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": str(int(WALL_CLOCK))}, None),
        ({"retry-after": "Wed, 99 Foo 2026"}, None),
    ],
)
def test_retry_after_is_read_where_it_makes_sense(headers: dict[str, str], seconds: float | None) -> None:
    assert read_retry_after(headers, WALL_CLOCK) == seconds


def test_a_date_is_read_against_this_machines_clock() -> None:
    seconds = read_retry_after({"retry-after": formatdate(time.time() + 60, usegmt=True)})
    assert seconds is not None
    assert 50 < seconds <= 61


@given(st.dictionaries(st.sampled_from(NAMES), st.text() | st.from_regex(r"-?\d{0,400}(\.\d+)?(ms|s|m|h)*")))
def test_whatever_headers_say_it_is_read_or_ignored(headers: dict[str, str]) -> None:
    limits = read_limits(headers)
    for limit in (limits.requests, limits.tokens):
        if limit is not None:
            assert limit.remaining >= 0
            assert limit.reset is None or 0 <= limit.reset <= LONGEST_SECONDS
    seconds = read_retry_after(headers)
    assert seconds is None or 0 <= seconds <= LONGEST_SECONDS


@given(
    st.datetimes().map(lambda moment: moment.strftime("%a, %d %b %Y %H:%M:%S GMT")) | st.text("0123456789 :,GMT+-adnSu")
)
def test_whatever_date_is_sent_it_is_read_or_ignored(date: str) -> None:
    seconds = read_retry_after({"retry-after": date}, WALL_CLOCK)
    assert seconds is None or 0 <= seconds <= LONGEST_SECONDS


def test_a_reply_without_such_headers_costs_next_to_nothing() -> None:
    headers = {"content-type": "application/json", "content-length": "812"}
    best = min(_seconds_of_calls(headers) for _ in range(5))
    assert best < 2e-6


def _seconds_of_calls(headers: dict[str, str], calls: int = 2_000) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        read_limits(headers)
    return (time.perf_counter() - start) / calls
