"""Ctrl-C in a program that asks: it waits for what is paid for, and the second time for nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dagster_project.generation import OutstandingBatch, SilentProgress, answer_cell, outstanding_batches
from dagster_project.generation.journal import journal_path, read_answers, while_idle
from dagster_project.lake import Lake
from dagster_project.loopback.models import Behaviour, serve_models
from dagster_project.settings import ModelsFile
from tests.generation.batch_server import BatchServer, serve_batches
from tests.generation.cells import BATCH, loopback_models, start_process, until

pytestmark = pytest.mark.slow

Prompts = Callable[..., list[str]]
IN_FLIGHT = 8
DEAR = {"input_usd_per_million": 0, "output_usd_per_million": 1_000_000 / 50}


def journalled(lake: Lake) -> list[str]:
    journal = journal_path(lake.root, "m", BATCH)
    return [answer.request_hash for answer in read_answers(journal)] if journal.exists() else []


def interrupted(child: subprocess.Popen[bytes], times: int = 1, within: float = 5) -> None:
    """Interrupt a process, and see it end soon."""
    for _ in range(times):
        child.send_signal(signal.SIGINT)
        time.sleep(0.05)
    begun = time.monotonic()
    assert child.wait(10) == -signal.SIGINT, "Python ends so after a KeyboardInterrupt"
    assert time.monotonic() - begun < within


def test_what_is_under_way_is_waited_for_and_nothing_is_asked_twice(lake: Lake, prompts: Prompts) -> None:
    prompts(120)
    with serve_models(Behaviour(latency=0.3)) as server:
        models = loopback_models(server.address, {"max_in_flight": IN_FLIGHT}, prices=DEAR)
        child = start_process(lake, models)
        until(lambda: len(journalled(lake)) >= 30)
        interrupted(child, within=1)
        kept = journalled(lake)
        assert len(kept) == server.stats()["requests"]
        server.behave(Behaviour())
        report = answer_cell(lake, models, "m", BATCH, SilentProgress())
        assert server.stats()["requests"] == 120
    assert (report.ok, report.reused) == (120, len(kept))


TWO_MODELS = """
import sys
from pathlib import Path
from dagster_project.generation import Cell, SilentProgress, answer_cells
from dagster_project.lake import Lake
from dagster_project.settings import ModelsFile
lake, models, *cells = sys.argv[1:]
cells = [Cell(*cell.split("|")) for cell in cells]
list(answer_cells(Lake(Path(lake)), ModelsFile.model_validate_json(models), cells, SilentProgress()))
"""


def test_a_cell_that_ends_first_has_no_other_ones_answers_given_up(lake: Lake, prompts: Prompts) -> None:
    """One cell waits for its tries only, and is over as soon as nothing more may be sent."""
    prompts(10)
    with serve_models(Behaviour(latency=2)) as server, serve_models(Behaviour(p429=1, retry_after=30)) as closed:
        models = loopback_models(server.address)
        served = {"base_url": closed.address, "timeout_seconds": 20}
        shut = models.endpoints["loopback"].model_validate(served)
        twin = models.models["n"].model_copy(update={"endpoint": "shut", "name": "another"})
        models = models.model_copy(
            update={"endpoints": models.endpoints | {"shut": shut}, "models": models.models | {"n": twin}}
        )
        command = [
            sys.executable,
            "-c",
            TWO_MODELS,
            str(lake.root),
            models.model_dump_json(),
            f"n|{BATCH}",
            f"m|{BATCH}",
        ]
        with subprocess.Popen(command, env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}) as child:
            until(lambda: server.max_in_flight == 10 and closed.stats()["requests"] > 0)
            interrupted(child)
    assert len(journalled(lake)) == 10


def test_a_second_time_it_ends_at_once_and_what_was_received_is_kept(lake: Lake, prompts: Prompts) -> None:
    prompts(120)
    with serve_models(Behaviour(latency=0.1, p500=0.1, p_slow=0.05, slow_seconds=8)) as server:
        models = loopback_models(server.address, {"max_in_flight": IN_FLIGHT}, prices=DEAR)
        child = start_process(lake, models)
        until(lambda: len(journalled(lake)) >= 30)
        interrupted(child, times=3)
        kept = journalled(lake)
        assert len(kept) >= server.stats()["statuses"]["200"] - IN_FLIGHT
        server.behave(Behaviour())
        report = answer_cell(lake, models, "m", BATCH, SilentProgress())
    assert (report.ok, report.reused) == (120, len(kept))
    assert len(set(journalled(lake))) == len(journalled(lake)) == 120


def test_a_batch_that_is_being_handed_in_is_waited_for_and_no_other_follows(lake: Lake, prompts: Prompts) -> None:
    prompts(20)
    with serve_batches(BatchServer(hang_in="create", hang_after=True)) as server:
        child = start_process(lake, loopback_models(server.address, batch={"max_requests": 5}))
        assert server.hangs.wait(20)
        child.send_signal(signal.SIGINT)
        time.sleep(0.5)
        assert child.poll() is None
        server.let_go()
        assert child.wait(10) == -signal.SIGINT
        assert server.calls["create"] == 1
    [batch] = outstanding_batches(lake.root)
    assert isinstance(batch, OutstandingBatch)
    assert batch.batch_id in server.batches


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


@pytest.mark.parametrize(("waiting_for", "times"), [(nobody_there, 1), (no_word, 2), (a_limit, 1), (another_run, 1)])
def test_nothing_else_that_is_waited_for_holds_it_up(
    lake: Lake, prompts: Prompts, waiting_for: Callable[[Lake], Iterator[ModelsFile]], times: int
) -> None:
    prompts(20)
    with waiting_for(lake) as models:  # type: ignore[attr-defined]
        child = start_process(lake, models)
        time.sleep(2.5)
        assert child.poll() is None
        interrupted(child, times)
