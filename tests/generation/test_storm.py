"""Everything that goes wrong, at once: and every answer is there once at the end."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from dagster_project.errors import SteerworksError
from dagster_project.generation import SilentProgress, answer_cell, verify_responses
from dagster_project.generation.journal import journal_path, read_answers
from dagster_project.lake import Lake
from dagster_project.loopback.models import Behaviour, LoopbackModels, serve_models
from dagster_project.settings import ModelsFile
from tests.generation.cells import BATCH, loopback_models, start_process, write_prompts

pytestmark = pytest.mark.slow

Prompts = Callable[..., list[str]]
STORM = Behaviour(
    latency=0.05,
    p_slow=0.01,
    slow_seconds=0.5,
    p429=0.05,
    retry_after=0.3,
    p500=0.04,
    p503=0.01,
    p400=0.02,
    p_truncated=0.02,
    p_garbage=0.01,
    p_reset=0.02,
    p_drop=0.01,
    p_hang=0.002,
    p_empty=0.01,
    p_content_filter=0.01,
    p_length=0.05,
)
ENDPOINT = {"max_in_flight": 64, "timeout_seconds": 2}


def every_answer_is_there_once(lake: Lake, models: ModelsFile, server: LoopbackModels, wanted: int) -> None:
    [counted] = verify_responses(lake, models, [("m", BATCH)])
    assert (counted.wanted, counted.missing, counted.differing) == (wanted, 0, 0)
    rows = lake.read("responses", {"model": "m", "prompt_batch": BATCH})
    assert set(rows["reason"].unique()) == {None, "http_400", "empty_answer", "content_filter"}
    assert set(rows["finish_reason"].unique()) == {None, "stop", "length", "content_filter"}
    journalled = Counter(answer.request_hash for answer in read_answers(journal_path(lake.root, "m", BATCH)))
    assert len(journalled) == wanted
    assert set(journalled.values()) == {1}
    assert server.stats()["distinct"] == wanted


def test_a_storm_ends_with_every_answer_once(lake: Lake, prompts: Prompts) -> None:
    prompts(3000)
    with serve_models(STORM) as server:
        models = loopback_models(server.address, ENDPOINT)
        answer_cell(lake, models, "m", BATCH, SilentProgress())
        every_answer_is_there_once(lake, models, server, 3000)


def test_a_storm_with_a_kill_every_second_ends_with_every_answer_once(lake: Lake, prompts: Prompts) -> None:
    prompts(3000)
    moments, kills = random.Random(7), 0
    with serve_models(STORM) as server:
        models = loopback_models(server.address, ENDPOINT)
        while True:
            child = start_process(lake, models)
            try:
                assert child.wait(timeout=1 + moments.random()) == 0
                break
            except subprocess.TimeoutExpired:
                child.send_signal(signal.SIGKILL)
                child.wait()
                kills += 1
        every_answer_is_there_once(lake, models, server, 3000)
    assert kills >= 2


def test_kills_at_random_moments_cost_no_more_than_what_was_in_flight(lake: Lake, prompts: Prompts) -> None:
    prompts(1200)
    moments = random.Random(11)
    with serve_models(Behaviour(latency=0.05)) as server:
        models = loopback_models(server.address, {"max_in_flight": 16})
        for _ in range(6):
            child = start_process(lake, models)
            time.sleep(0.7 + moments.random())
            child.send_signal(signal.SIGKILL)
            child.wait()
        report = answer_cell(lake, models, "m", BATCH, SilentProgress())
        stats = server.stats()
    assert report.ok == stats["distinct"] == 1200
    assert stats["requests"] - 1200 <= 6 * 16


def test_a_disk_that_fills_up_is_a_clear_error_and_the_next_run_goes_on(small_disk: Path) -> None:
    lake = Lake(small_disk / "lake")
    write_prompts(lake, [f"Question {number}: {'why ' * 40}" for number in range(1500)])
    filler = small_disk / "filler"
    with serve_models() as server:
        models = loopback_models(server.address)
        filler.write_bytes(b"x" * 2_000_000)
        with pytest.raises(SteerworksError, match="No space left on device"):
            answer_cell(lake, models, "m", BATCH, SilentProgress())
        answered = len(list(read_answers(journal_path(lake.root, "m", BATCH))))
        assert 0 < answered < 1500
        filler.unlink()
        again = answer_cell(lake, models, "m", BATCH, SilentProgress())
        assert (again.ok, again.reused) == (1500, answered)
        [counted] = verify_responses(lake, models, [("m", BATCH)])
        assert (counted.missing, counted.differing) == (0, 0)
        assert server.stats()["requests"] <= 1500 + 32


def test_a_table_that_cannot_be_written_is_a_clear_error_and_the_answers_are_kept(lake: Lake, prompts: Prompts) -> None:
    prompts(5)
    (lake.root / "responses").write_text("in the way")
    with serve_models() as server:
        models = loopback_models(server.address)
        with pytest.raises(SteerworksError, match=r"the table of m, b1 cannot be written \(.*the answers are kept"):
            answer_cell(lake, models, "m", BATCH, SilentProgress())
        (lake.root / "responses").unlink()
        assert answer_cell(lake, models, "m", BATCH, SilentProgress()).reused == 5
