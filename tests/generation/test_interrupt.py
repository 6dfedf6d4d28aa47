"""Ctrl-C in a program that asks: it ends at once with a KeyboardInterrupt, and what it had received is kept."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from dagster_project.generation import SilentProgress, answer_cell
from dagster_project.generation.journal import journal_path, read_answers, while_idle
from dagster_project.lake import Lake
from dagster_project.loopback.models import Behaviour, serve_models
from dagster_project.settings import ModelsFile
from tests.generation.cells import BATCH, loopback_models, start_process, until

pytestmark = pytest.mark.slow

Prompts = Callable[..., list[str]]
IN_FLIGHT = 8
DEAR = {"output_usd_per_million": 1_000_000 / 50}


def journalled(lake: Lake) -> list[str]:
    journal = journal_path(lake.root, "m", BATCH)
    return [answer.request_hash for answer in read_answers(journal)] if journal.exists() else []


def interrupted(child: subprocess.Popen[bytes], times: int = 1) -> None:
    """Interrupt a process, and see it end at once."""
    for _ in range(times):
        child.send_signal(signal.SIGINT)
        time.sleep(0.05)
    begun = time.monotonic()
    assert child.wait(10) == -signal.SIGINT, "Python ends so after a KeyboardInterrupt"
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize("times", [1, 3])
def test_what_was_received_is_kept_and_the_next_run_asks_for_the_rest(lake: Lake, prompts: Prompts, times: int) -> None:
    prompts(120)
    with serve_models(Behaviour(latency=0.1, p500=0.1, p_slow=0.05, slow_seconds=3)) as server:
        models = loopback_models(server.address, {"max_in_flight": IN_FLIGHT}, prices=DEAR)
        child = start_process(lake, models)
        until(lambda: len(journalled(lake)) >= 30)
        interrupted(child, times)
        kept = journalled(lake)
        assert len(kept) >= server.stats()["statuses"]["200"] - IN_FLIGHT
        server.behave(Behaviour())
        report = answer_cell(lake, models, "m", BATCH, SilentProgress())
    assert (report.ok, report.reused) == (120, len(kept))
    assert len(set(journalled(lake))) == len(journalled(lake)) == 120


@contextmanager
def nobody_there(_: Lake) -> Iterator[ModelsFile]:
    yield loopback_models("http://127.0.0.1:9/v1")


@contextmanager
def no_word(_: Lake) -> Iterator[ModelsFile]:
    with serve_models(Behaviour(p_hang=1.0)) as server:
        yield loopback_models(server.address)


@contextmanager
def a_limit(_: Lake) -> Iterator[ModelsFile]:
    with serve_models() as server:
        yield loopback_models(server.address, {"requests_per_minute": 1})


@contextmanager
def another_run(lake: Lake) -> Iterator[ModelsFile]:
    with serve_models() as server, while_idle(journal_path(lake.root, "m", BATCH)):
        yield loopback_models(server.address)


@pytest.mark.parametrize("waiting_for", [nobody_there, no_word, a_limit, another_run])
def test_nothing_that_is_waited_for_holds_it_up(
    lake: Lake, prompts: Prompts, waiting_for: Callable[[Lake], Iterator[ModelsFile]]
) -> None:
    prompts(20)
    with waiting_for(lake) as models:  # type: ignore[attr-defined]
        child = start_process(lake, models)
        time.sleep(2.5)
        assert child.poll() is None
        interrupted(child)
