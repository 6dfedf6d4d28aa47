"""A server that is away for a while is waited for, without a storm of connections; one that stays away is named."""

from __future__ import annotations

import asyncio
import itertools
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from dagster_project.errors import SteerworksError
from dagster_project.generation import CellReport, answer_cell
from dagster_project.generation.journal import journal_path, read_answers
from dagster_project.generation.outage import LONGEST_PAUSE_SECONDS, Outage
from dagster_project.lake import Lake
from dagster_project.loopback.models import Behaviour, serve_models
from tests.generation.cells import BATCH, Recorder, loopback_models, until

Prompts = Callable[..., list[str]]
IN_FLIGHT = 20


def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def run_beside(lake: Lake, port: int, progress: Recorder, serve: Callable[[], None]) -> CellReport:
    """Answer the cell while servers come and go at a port."""
    models = loopback_models(f"http://127.0.0.1:{port}/v1", {"max_in_flight": IN_FLIGHT})
    with ThreadPoolExecutor(1) as pool:
        report = pool.submit(answer_cell, lake, models, "m", BATCH, progress)
        serve()
        return report.result(timeout=30)


@pytest.mark.parametrize("away", [0.3, pytest.param(2.5, marks=pytest.mark.slow)])
def test_a_server_that_is_started_again_loses_nothing_and_is_not_stormed(
    lake: Lake, prompts: Prompts, away: float
) -> None:
    prompts(200)
    progress, port = Recorder(), unused_port()
    answered = [0]

    def serve() -> None:
        with serve_models(Behaviour(latency=0.05), port=port) as server:
            until(lambda: server.stats()["requests"] > 60)
            answered[0] = server.stats()["statuses"]["200"]
        time.sleep(away)
        with serve_models(Behaviour(latency=0.05), port=port) as server:
            until(lambda: len(list(read_answers(journal_path(lake.root, "m", BATCH)))) == 200)
            answered[0] += server.stats()["statuses"]["200"]

    report = run_beside(lake, port, progress, serve)
    assert (report.ok, report.failed) == (200, {})
    assert answered[0] <= 200 + IN_FLIGHT
    assert report.sent <= 200 + 3 * IN_FLIGHT
    # A word for each time away: the first server may be up later than the client, and heard now and then as it stops.
    assert len(progress.messages) <= 5
    if away > 1:
        message = progress.messages[-1]
        assert "cannot be reached (connection: " in message
        assert message.endswith("waiting for it, 30 seconds at most")


@pytest.mark.slow
def test_a_server_that_is_still_starting_is_waited_for(lake: Lake, prompts: Prompts) -> None:
    prompts(30)
    progress, port = Recorder(), unused_port()

    def serve() -> None:
        until(lambda: bool(progress.messages))
        time.sleep(1.5)
        with serve_models(port=port):
            until(lambda: len(list(lake.parts("responses"))) == 1)

    report = run_beside(lake, port, progress, serve)
    assert report.ok == 30
    assert report.sent <= 30 + 2 * IN_FLIGHT
    assert progress.messages[0].endswith("waiting for it, 5 seconds at most")


def test_a_server_that_stays_away_is_named_and_what_it_answered_is_kept(
    lake: Lake, prompts: Prompts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dagster_project.generation.outage.MOST_SECONDS_AWAY", 1.0)
    prompts(200)
    port = unused_port()

    def serve() -> None:
        with serve_models(Behaviour(latency=0.05), port=port) as server:
            until(lambda: server.stats()["requests"] > 60)

    with pytest.raises(SteerworksError, match=r"gave no reply, for 1 seconds \(connection: .*Start the server"):
        run_beside(lake, port, Recorder(), serve)
    assert len(list(read_answers(journal_path(lake.root, "m", BATCH)))) >= 40


@pytest.mark.slow
def test_connections_are_tried_one_at_a_time_after_growing_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dagster_project.generation.outage.MOST_SECONDS_UNHEARD", 2.0)

    async def knock_until_it_is_too_long() -> list[float]:
        outage, now, knocks = Outage(), asyncio.get_running_loop().time, []
        start = now()
        outage.failed(start, start, is_sure=True)
        while not outage.is_too_long(now()):
            await outage.wait()
            knocks.append(sent := now())
            outage.sent(sent)
            second = asyncio.create_task(outage.wait())
            await asyncio.sleep(0.01)
            assert not second.done(), "one at a time"
            outage.unheard(start, now())  # one that was sent before counts for nothing
            outage.unheard(sent, now())
            second.cancel()
        return [later - earlier for earlier, later in itertools.pairwise(knocks)]

    pauses = asyncio.run(knock_until_it_is_too_long())
    assert pauses[:-1] == sorted(pauses[:-1])
    assert 3 <= len(pauses) <= 5
    assert max(pauses) <= LONGEST_PAUSE_SECONDS
    assert sum(pauses) <= 3


def test_a_knock_that_is_abandoned_leaves_its_turn_to_another_request() -> None:
    async def knock() -> None:
        outage = Outage()
        outage.failed(1.0, asyncio.get_running_loop().time(), is_sure=True)
        await outage.wait()
        outage.sent(2.0)
        waiting = asyncio.create_task(outage.wait())
        outage.lost(2.0)
        await asyncio.wait_for(waiting, 1)
        outage.sent(3.0)
        outage.heard(4.0)
        await asyncio.wait_for(outage.wait(), 1)
        outage.failed(3.5, 4.5, is_sure=True)
        assert outage.since is None, "it was heard since that was sent"

    asyncio.run(knock())


def test_a_server_that_breaks_every_connection_is_away_too(lake: Lake, prompts: Prompts) -> None:
    """As the proxy of a container does, until the server in it is up."""
    prompts(60)
    progress, port = Recorder(), unused_port()

    def serve() -> None:
        with serve_models(Behaviour(p_reset=1.0), port=port) as server:
            until(lambda: bool(progress.messages))
            assert server.stats()["requests"] <= 3 * IN_FLIGHT
        with serve_models(port=port):
            until(lambda: len(list(lake.parts("responses"))) == 1)

    assert run_beside(lake, port, progress, serve).ok == 60


@pytest.mark.slow
def test_random_resets_do_not_hold_up_the_others(lake: Lake, prompts: Prompts) -> None:
    prompts(300)
    progress = Recorder()
    with serve_models(Behaviour(latency=0.05, p_reset=0.1)) as server:
        models = loopback_models(server.address, {"max_in_flight": IN_FLIGHT})
        report = answer_cell(lake, models, "m", BATCH, progress)
    assert report.ok == 300
    assert report.seconds < 5
