"""Caps hold in every stretch of time that they speak of, and the headers tell the truth about them."""

from __future__ import annotations

import asyncio
import time

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagster_project.loopback.behaviour import RateWindow
from dagster_project.loopback.limits import Limits, go_duration
from dagster_project.loopback.models import Behaviour, LoopbackModels, serve_models
from tests.loopback.talking import ask, chat_body, talk

GAPS = st.lists(st.integers(0, 700).map(lambda n: n / 1000), max_size=80)
RATES = st.integers(1, 9)


def admitted(limits: Limits, gaps: list[float], tokens: int = 0, start: float = 1000.0) -> list[float]:
    """The moments at which a request was let in, of those that come after such gaps."""
    moments, now = [], start
    for gap in gaps:
        now += gap
        if limits.admit(now, tokens) is None:
            moments.append(now)
    return moments


def most_within(moments: list[float], seconds: float) -> int:
    return max((sum(moment - seconds < other <= moment for other in moments) for moment in moments), default=0)


@given(GAPS, RATES)
def test_a_sliding_window_holds_in_every_second(gaps: list[float], rate: int) -> None:
    limits = Limits(Behaviour(requests_per_second=rate, rate_window="sliding"))
    assert most_within(admitted(limits, gaps), 1 - 1e-9) <= rate


@given(GAPS, RATES)
def test_a_fixed_window_holds_in_every_second_of_the_clock(gaps: list[float], rate: int) -> None:
    moments = admitted(Limits(Behaviour(requests_per_second=rate, rate_window="fixed")), gaps)
    assert all([int(m) for m in moments].count(second) <= rate for second in {int(m) for m in moments})


@given(GAPS, RATES, st.integers(1, 20))
def test_a_bucket_lets_in_what_it_holds_and_then_its_rate(gaps: list[float], rate: int, burst: int) -> None:
    moments = admitted(Limits(Behaviour(requests_per_second=rate, burst=burst)), gaps)
    for first, since in enumerate(moments):
        for count, until in enumerate(moments[first:], start=1):
            assert count <= burst + rate * (until - since) + 1e-6


@pytest.mark.parametrize("window", ["bucket", "fixed", "sliding"])
def test_less_than_one_request_a_second_is_a_rate_too(window: RateWindow) -> None:
    limits = Limits(Behaviour(requests_per_second=0.5, rate_window=window))
    assert len(admitted(limits, [0.0] + [0.1] * 99)) == 5


@pytest.mark.parametrize("window", ["bucket", "fixed", "sliding"])
def test_headers_count_down_and_name_the_time_until_all_is_back(window: RateWindow) -> None:
    limits = Limits(Behaviour(requests_per_second=10, tokens_per_minute=600, rate_window=window))
    assert limits.headers(1200.0) == {
        "x-ratelimit-limit-requests": "10",
        "x-ratelimit-remaining-requests": "10",
        "x-ratelimit-reset-requests": "0s",
        "x-ratelimit-limit-tokens": "600",
        "x-ratelimit-remaining-tokens": "600",
        "x-ratelimit-reset-tokens": "0s",
    }
    assert limits.admit(1200.0, 100) is None
    after = limits.headers(1200.0)
    assert (after["x-ratelimit-remaining-requests"], after["x-ratelimit-remaining-tokens"]) == ("9", "500")
    resets = {"bucket": ("100ms", "10s"), "fixed": ("1s", "1m0s"), "sliding": ("1s", "1m0s")}
    assert (after["x-ratelimit-reset-requests"], after["x-ratelimit-reset-tokens"]) == resets[window]
    assert limits.admit(1200.0, 501) == "tokens"
    assert limits.headers(1200.0) == after


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (0.0004, "0s"), (0.12, "120ms"), (1, "1s"), (8.64, "8.64s"), (360, "6m0s"), (3661.5, "1h1m1.5s")],
)
def test_times_are_written_as_go_writes_them(seconds: float, text: str) -> None:
    assert go_duration(seconds) == text


def test_a_request_over_the_cap_is_told_which_one() -> None:
    with serve_models(Behaviour(tokens_per_minute=60, rate_headers=True)) as server:
        first, second = ask(server), ask(server, "word " * 50)
    assert (first.status, second.status) == (200, 429)
    left = 60 - first.body["usage"]["total_tokens"]
    assert first.headers["x-ratelimit-remaining-tokens"] == str(left)
    assert int(second.headers["x-ratelimit-remaining-tokens"]) in (left, left + 1)
    assert (second.body["error"]["code"], second.body["error"]["type"]) == ("rate_limit_exceeded", "tokens")


def test_a_late_429_comes_after_the_latency() -> None:
    with serve_models(Behaviour(requests_per_second=0.01, latency=0.2, late_429=True)) as server:
        assert ask(server).status == 200
        start = time.monotonic()
        assert ask(server).status == 429
        assert time.monotonic() - start >= 0.19
        talk(server, "/behaviour", {"late_429": False, "latency": 5})
        start = time.monotonic()
        assert ask(server).status == 429
        assert time.monotonic() - start < 2


def test_a_reset_of_the_counters_does_not_fill_the_bucket() -> None:
    with serve_models(Behaviour(requests_per_second=0.01)) as server:
        assert ask(server).status == 200
        talk(server, "/reset", {})
        assert ask(server).status == 429


async def storm(server: LoopbackModels, requests: int, at_once: int) -> list[int]:
    numbers, statuses = iter(range(requests)), []
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def work() -> None:
            for number in numbers:
                async with session.post(f"{server.address}/chat/completions", json=chat_body(f"{number}")) as reply:
                    await reply.read()
                    statuses.append(reply.status)

        await asyncio.gather(*(work() for _ in range(at_once)))
    return statuses


def test_more_than_the_cap_in_flight_are_turned_away() -> None:
    with serve_models(Behaviour(max_in_flight=3, latency=0.3)) as server:
        statuses = asyncio.run(storm(server, 5, 5))
    assert sorted(statuses) == [200, 200, 200, 429, 429]


def test_so_many_in_flight_at_a_latency_give_the_rate_that_they_must() -> None:
    with serve_models(Behaviour(latency=0.1)) as server:
        start = time.monotonic()
        asyncio.run(storm(server, 200, 20))
        seconds = time.monotonic() - start
        assert server.stats()["max_in_flight"] == 20
    assert 1.0 <= seconds < 4  # 20 one after the other; a busy machine takes its time, too
