"""The pace comes close to what any server takes, few requests are turned away, and none is held back for nothing.

Times and counts are those of simulated traffic; a full connection of a client is 100 requests in
flight of 0.2 seconds each, so without a limit it asks 500 a second. Client and server stand still now and then, as
loops on a busy machine do: what is common is held to by the median, what may happen by the worst of the seeds.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagster_project.generation.limits.adaptive import AdaptivePace
from dagster_project.generation.limits.rate_headers import RateLimit, RateLimits
from dagster_project.generation.limits.window import Windows
from tests.generation.simulated_server import (
    Bucket,
    Changing,
    Client,
    FixedWindow,
    Gate,
    Intermittent,
    Open,
    Penalty,
    Simulation,
    SlidingWindow,
)

SEEDS = range(12)
MakeGate = Callable[[int], Gate]


def ask(
    gate: Gate, seed: int, requests: int = 2_000, in_flight: int = 100, limited: bool = True, **faults: float
) -> Client:
    client = Client(requests, in_flight, AdaptivePace() if limited else None)
    Simulation(gate, seed, **faults).run(client)
    assert client.answered == requests
    return client


def ask_all(make: MakeGate, **faults: float) -> tuple[list[float], list[int]]:
    clients = [ask(make(seed), seed, **faults) for seed in SEEDS]
    return [client.done_at for client in clients], [len(client.turned_away) for client in clients]


def phase(seed: int) -> float:
    return random.Random(seed).random()


def test_a_server_without_a_limit_is_asked_without_delay() -> None:
    for seed in SEEDS:
        client = ask(Open(), seed)
        assert client.waited <= 0.03
        assert client.done_at < 1.02 * ask(Open(), seed, limited=False).done_at
        assert client.pace is not None
        assert client.pace.requests_per_second is None


@pytest.mark.slow
@pytest.mark.parametrize(("p429", "p500", "slower"), [(0.05, 0.05, 1.03), (0.10, 0.0, 1.10)])
def test_429s_at_random_are_no_reason_to_slow_down(p429: float, p500: float, slower: float) -> None:
    seeds = range(30)
    limited = [ask(Open(), seed, p429=p429, p500=p500).done_at for seed in seeds]
    unlimited = [ask(Open(), seed, p429=p429, p500=p500, limited=False).done_at for seed in seeds]
    assert statistics.mean(limited) < slower * statistics.mean(unlimited)


@pytest.mark.slow
def test_so_many_429s_at_random_that_they_look_like_a_cap_end_well_too() -> None:
    slower = [ask(Open(), s, p429=0.15).done_at / ask(Open(), s, p429=0.15, limited=False).done_at for s in SEEDS]
    assert statistics.mean(slower) < 1.3
    assert max(slower) < 2.5


@pytest.mark.parametrize(("p429", "slower"), [(0.3, 1.6), pytest.param(0.5, 2.0, marks=pytest.mark.slow)])
def test_429s_that_are_as_many_at_half_the_pace_are_chance_and_the_pace_does_not_collapse(
    p429: float, slower: float
) -> None:
    limited = [ask(Open(), seed, p429=p429).done_at for seed in SEEDS]
    unlimited = [ask(Open(), seed, p429=p429, limited=False).done_at for seed in range(3)]
    assert statistics.median(limited) < slower * statistics.mean(unlimited)


def test_a_cap_is_found_at_once() -> None:
    seconds, turned_away = ask_all(lambda _: Bucket(200, 200))
    assert max(seconds) <= 10.3
    assert statistics.median(turned_away) <= 30
    assert max(turned_away) <= 65


@pytest.mark.slow
@pytest.mark.parametrize("burst", [100, 200])
def test_a_cap_is_not_lost_again_because_a_busy_client_is_late(burst: int) -> None:
    clients = [ask(Bucket(200, burst), seed) for seed in range(1000, 1060)]
    assert sum(len(client.turned_away) > 40 for client in clients) <= 4


@pytest.mark.parametrize("burst", [5, *(pytest.param(burst, marks=pytest.mark.slow) for burst in (10, 20, 50, 100))])
def test_a_cap_is_found_whatever_burst_it_allows(burst: int) -> None:
    seconds, turned_away = ask_all(lambda _: Bucket(200, burst))
    assert statistics.median(seconds) <= 10.8
    assert max(seconds) <= 11.7
    assert statistics.median(turned_away) <= 40
    assert max(turned_away) <= 120


@pytest.mark.slow
def test_a_cap_that_allows_no_burst_at_all_costs_the_jitter_of_both_sides() -> None:
    """The best steady pace takes 15 seconds and 66 429s: what arrives too close to the one before is turned away."""
    seconds, turned_away = ask_all(lambda _: Bucket(200, 1))
    assert statistics.median(seconds) <= 19
    assert max(seconds) <= 22
    assert statistics.median(turned_away) <= 70
    assert max(turned_away) <= 110


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda seed: FixedWindow(200, phase=phase(seed)), id="fixed"),
        pytest.param(
            lambda seed: FixedWindow(200, phase=phase(seed), rest=True), id="fixed, exact rest", marks=pytest.mark.slow
        ),
        pytest.param(
            lambda seed: FixedWindow(200, phase=phase(seed), retry_after=None),
            id="fixed, no Retry-After",
            marks=pytest.mark.slow,
        ),
        pytest.param(lambda _: SlidingWindow(200), id="sliding"),
        pytest.param(lambda _: SlidingWindow(200, rest=True), id="sliding, exact rest", marks=pytest.mark.slow),
        pytest.param(
            lambda _: SlidingWindow(200, retry_after=None), id="sliding, no Retry-After", marks=pytest.mark.slow
        ),
    ],
)
def test_a_limit_on_a_window_of_time_is_found_too(make: MakeGate) -> None:
    seconds, turned_away = ask_all(make)
    assert statistics.median(seconds) <= 11.3
    assert max(seconds) <= 15.5
    assert statistics.median(turned_away) <= 55
    assert max(turned_away) <= 70


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("retry_after", [1.0, None])
@pytest.mark.parametrize(
    ("rate", "burst", "requests", "in_flight", "latency"),
    [
        (2, 5, 60, 10, 1.0),
        (20, 20, 400, 50, 0.5),
        (20, 5, 400, 100, 2.0),
        (50, 1_000, 2_000, 100, 0.1),
        (100, 100, 2_000, 200, 1.0),
        (450, 50, 4_000, 100, 0.2),
        (1_000, 100, 8_000, 400, 0.2),
    ],
)
def test_caps_of_any_size_are_found(
    rate: int, burst: int, requests: int, in_flight: int, latency: float, retry_after: float | None, late: bool
) -> None:
    client = ask(Bucket(rate, burst, retry_after), 0, requests, in_flight, latency=latency, late=late)
    ideal = (requests - burst) / rate + latency
    assert client.done_at < (1.8 if late else 1.1) * ideal + 1
    assert len(client.turned_away) < requests


@pytest.mark.slow
def test_429s_that_come_as_late_as_answers_cost_more_but_end() -> None:
    seconds, turned_away = ask_all(lambda _: Bucket(200, 200), late=True)
    assert max(seconds) <= 11.5
    assert max(turned_away) <= 150


@pytest.mark.slow
def test_a_cap_is_found_among_429s_at_random() -> None:
    seconds, turned_away = ask_all(lambda _: Bucket(200, 200), p429=0.05)
    assert statistics.median(seconds) <= 11.5
    assert max(seconds) <= 16
    assert statistics.median(turned_away) <= 200


def test_the_pace_among_429s_at_random_neither_collapses_nor_swings() -> None:
    client = ask(Bucket(200, 200), 1, requests=8_000, p429=0.05)
    settled = [client.let_in(second, second + 1) for second in range(5, int(client.done_at) - 2)]
    assert min(settled) >= 150
    assert statistics.mean(settled) >= 180


@pytest.mark.parametrize("seed", SEEDS)
def test_once_it_is_clear_that_all_are_turned_away_nothing_is_sent_before_retry_after(seed: int) -> None:
    draw = random.Random(seed)
    server = Penalty(Bucket(10, 10), lambda: draw.uniform(5, 20))
    client = ask(server, seed, requests=300, in_flight=50)
    assert len(server.closures) <= 3
    for shut_at, open_at in server.closures:
        assert len([at for at in client.sent_at if shut_at < at < open_at - 0.01]) <= 35
        assert not [at for at in client.sent_at if shut_at + 1 < at < open_at - 0.01]
    shut = sum(open_at - shut_at for shut_at, open_at in server.closures)
    assert client.done_at < 29 + shut + 50


def test_a_slow_cap_with_a_long_retry_after_is_met() -> None:
    client = ask(Bucket(10, 50, retry_after=5), 0, requests=300, in_flight=50)
    assert client.done_at < 32
    assert len(client.turned_away) <= 40


@pytest.mark.parametrize(("period", "shut", "retry_after"), [(6, 3, None), (4, 2, 1.0), (12, 4, None)])
def test_a_server_that_is_shut_again_and_again_whatever_is_sent_is_not_asked_ever_more_slowly(
    period: float, shut: float, retry_after: float | None
) -> None:
    clients = [ask(Intermittent(period, shut, retry_after), seed, requests=6_000) for seed in range(4)]
    ideal = 6_000 / 500 * period / (period - shut)
    assert statistics.median(client.done_at for client in clients) < 2.5 * ideal
    assert max(client.done_at for client in clients) < 5 * ideal
    assert max(len(client.turned_away) / (client.done_at / period) for client in clients) <= 40


@pytest.mark.parametrize("seconds", [1, 5, 20])
@pytest.mark.parametrize("retry_after", [None, 1.0])
def test_a_server_that_is_shut_at_first_is_asked_at_full_pace_once_it_is_open(
    seconds: float, retry_after: float | None
) -> None:
    """So does one that still loads its model."""
    server = Changing([(0, Intermittent(seconds, seconds, retry_after)), (seconds, Open())])
    client = ask(server, 0)
    assert client.done_at < 1.5 * seconds + 5
    assert len(client.turned_away) <= 60


def test_a_pace_that_uses_a_window_up_is_gone_on_with_and_one_that_only_brings_less_is_not() -> None:
    windows = Windows()
    assert windows.rate(200, seconds_open=0.4, seconds=1.0) == 200
    assert windows.rate(200, seconds_open=0.9, seconds=1.0) == 200
    assert windows.rate(100, seconds_open=0.5, seconds=1.0) == 100
    assert windows.rate(50, seconds_open=0.5, seconds=1.0) == 200  # as at the time when it brought more
    assert windows.rate(100, seconds_open=0.5, seconds=1.0) == 250  # the next ones are not avoided by slowing down


@pytest.mark.parametrize("seed", [*SEEDS[:2], *(pytest.param(seed, marks=pytest.mark.slow) for seed in SEEDS[2:])])
def test_a_cap_that_changes_is_found_again(seed: int) -> None:
    server = Changing([(0, Bucket(200, 200)), (15, Bucket(400, 400, at=15)), (35, Bucket(100, 100, at=35))])
    client = Client(12_000, 100, AdaptivePace())
    Simulation(server, seed).run(client)
    assert client.let_in(21, 22) >= 380
    assert client.let_in(25, 35) >= 3_700
    assert client.let_in(37, 40) >= 285
    assert len([at for at in client.turned_away if 35 < at < 40]) <= 60


def test_a_limit_that_is_lifted_altogether_is_forgotten() -> None:
    client = Client(10_000, 100, AdaptivePace())
    Simulation(Changing([(0, Bucket(200, 200)), (10, Open())]), 0).run(client)
    assert client.let_in(20, 21) >= 480
    assert client.pace is not None
    assert client.pace.requests_per_second is None


def test_two_clients_share_a_cap() -> None:
    shares, seconds = [], []
    for seed in range(8):
        clients = Client(1_000, 100, AdaptivePace()), Client(1_000, 100, AdaptivePace())
        Simulation(Bucket(200, 200), seed).run(*clients)
        both = sorted(client.done_at for client in clients)
        shares.append(both[0] / both[1])
        seconds.append(both[1])
    assert statistics.median(seconds) <= 12
    assert statistics.median(shares) >= 0.6


@pytest.mark.parametrize("seed", SEEDS)
def test_the_headers_of_a_token_bucket_are_believed(seed: int) -> None:
    client = ask(Bucket(10, 600, tells=True), seed, requests=900, in_flight=50)
    assert client.turned_away == []
    assert client.done_at < 31.5


@pytest.mark.parametrize("seed", SEEDS)
def test_the_headers_of_a_window_are_believed(seed: int) -> None:
    into_window = 60 * phase(seed)
    client = ask(FixedWindow(500, 60, phase=into_window, tells=True), seed, requests=1_100, in_flight=50)
    assert client.turned_away == []
    assert client.done_at < 120 - into_window + 3


def test_tokens_that_run_out_hold_requests_back() -> None:
    pace = AdaptivePace()
    for number in range(9):
        pace.sent(float(number))
        left = 10_000 - 1_000 * (number + 1)
        pace.told(number + 0.5, 0, RateLimits(None, RateLimit(10_000, left, 60.0 - number)))
    assert pace.delay(9.0, 0) == 0
    pace.sent(9.0)
    assert pace.delay(9.0, 1) > 40


def test_what_remains_without_a_reset_is_asked_for_again() -> None:
    pace = AdaptivePace()
    pace.sent(0.0)
    pace.told(0.1, 0, RateLimits(RateLimit(None, 0, None), None))
    assert 0 < pace.delay(0.1, 0) <= 1
    assert pace.delay(1.2, 0) == 0


def test_a_quota_that_replies_no_longer_tell_of_is_over_with_its_reset() -> None:
    pace = AdaptivePace()
    pace.sent(0.0)
    pace.turned_away(0.0, 0.1, None)
    pace.told(0.1, 0, RateLimits(RateLimit(600, 0, 0.8), None))
    assert 0 < pace.delay(0.2, 0) <= 0.8
    assert pace.delay(1.0, 0) == 0
    pace.sent(1.0)  # finds out what holds now
    pace.accepted(0.05, 1.1)  # was sent before the reset, and says nothing of what came after it
    assert pace.delay(1.1, 1) > 0
    pace.accepted(1.0, 1.2)
    for number in range(20):
        assert pace.delay(1.2 + number / 50, number) == 0
        pace.sent(1.2 + number / 50)


REPLIES = st.tuples(
    st.sampled_from(["accepted", "turned away", "told", "silence"]),
    st.floats(0, 3),
    st.none() | st.floats(0, 30),
    st.integers(0, 100),
)


@given(st.lists(REPLIES, max_size=150))
def test_whatever_happens_the_next_request_goes_out_some_time(
    replies: list[tuple[str, float, float | None, int]],
) -> None:
    pace, now = AdaptivePace(), 0.0
    for kind, seconds, retry_after, remaining in replies:
        for _ in range(100):
            delay = pace.delay(now, 1)
            assert 0 <= delay < 100_000
            if delay == 0:
                break
            now += delay
        else:
            pytest.fail("never sent")
        pace.sent(now)
        sent_at, now = now, now + seconds
        if kind == "accepted":
            pace.accepted(sent_at, now)
        elif kind == "turned away":
            pace.turned_away(sent_at, now, retry_after)
        elif kind == "told":
            pace.accepted(sent_at, now)
            pace.told(now, 1, RateLimits(RateLimit(100, remaining, retry_after), RateLimit(None, remaining, None)))
        assert pace.requests_per_second is None or pace.requests_per_second >= 0
