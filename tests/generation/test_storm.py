"""Everything that goes wrong, at once: and every answer is there once at the end."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from dagster_project.errors import SteerworksError
from dagster_project.generation import Cell, CellReport, SilentProgress, answer_cell, answer_cells, verify_responses
from dagster_project.generation.journal import journal_path, read_answers
from dagster_project.generation.reserve import RESERVE_BYTES
from dagster_project.lake import Lake
from dagster_project.loopback.models import Behaviour, LoopbackModels, serve_models
from dagster_project.settings import ModelsFile
from tests.generation.cells import BATCH, loopback_models, start_process, until, write_prompts

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


def was_killed(lake: Lake, models: ModelsFile, server: LoopbackModels, seconds: float) -> bool:
    """Answer the cell in a process that is killed so many seconds after its first request, unless it is done before."""
    sent = server.stats()["requests"]
    child = start_process(lake, models)
    until(lambda: child.poll() is not None or server.stats()["requests"] > sent)
    try:
        assert child.wait(timeout=seconds) == 0
    except subprocess.TimeoutExpired:
        child.send_signal(signal.SIGKILL)
        child.wait()
        return True
    return False


def test_a_storm_with_a_kill_every_second_ends_with_every_answer_once(lake: Lake, prompts: Prompts) -> None:
    prompts(3000)
    moments, kills = random.Random(7), 0
    with serve_models(STORM) as server:
        models = loopback_models(server.address, ENDPOINT)
        while was_killed(lake, models, server, 2 * moments.random()):
            kills += 1
        every_answer_is_there_once(lake, models, server, 3000)
    assert kills >= 2


def test_kills_at_random_moments_cost_no_more_than_what_was_in_flight(lake: Lake, prompts: Prompts) -> None:
    prompts(1200)
    moments = random.Random(11)
    with serve_models(Behaviour(latency=0.05)) as server:
        models = loopback_models(server.address, {"max_in_flight": 16})
        kills = sum(was_killed(lake, models, server, 0.8 * moments.random()) for _ in range(6))
        report = answer_cell(lake, models, "m", BATCH, SilentProgress())
        stats = server.stats()
    assert report.ok == stats["distinct"] == 1200
    assert stats["requests"] - 1200 <= kills * 16
    assert kills >= 3


def test_a_disk_that_fills_up_is_a_clear_error_and_no_answer_is_lost_or_asked_for_again(small_disk: Path) -> None:
    lake = Lake(small_disk / "lake")
    cells = [Cell("m", batch) for batch in ("b1", "b2", "b3")]
    for _, batch in cells:
        write_prompts(lake, [f"Question {number} of {batch}: {'why ' * 40}" for number in range(500)], batch)
    filler = small_disk / "filler"
    with serve_models(Behaviour(latency=0.05)) as server:
        models = loopback_models(server.address, {"max_in_flight": 64})
        filler.write_bytes(b"x" * (shutil.disk_usage(small_disk).free - RESERVE_BYTES - 400_000))
        results = dict(answer_cells(lake, models, cells, SilentProgress()))
        for result in results.values():
            assert isinstance(result, SteerworksError)
            assert "the disk is full (No space left on device), so nothing more is sent. Free some room" in str(result)
        journals = [journal_path(lake.root, *cell) for cell in cells]
        answered = sum(len(list(read_answers(journal))) for journal in journals if journal.exists())
        assert 0 < answered < 1500
        assert server.stats()["requests"] == answered
        filler.unlink()
        again = dict(answer_cells(lake, models, cells, SilentProgress()))
        assert sum(report.ok for report in again.values() if isinstance(report, CellReport)) == 1500
        assert {(counted.missing, counted.differing) for counted in verify_responses(lake, models, cells)} == {(0, 0)}
        assert server.stats()["requests"] == 1500


def test_without_room_to_set_aside_nothing_is_sent(small_disk: Path) -> None:
    lake = Lake(small_disk / "lake")
    write_prompts(lake, ["Why?"])
    with serve_models() as server:
        models = loopback_models(server.address)
        (small_disk / "filler").write_bytes(b"x" * (shutil.disk_usage(small_disk).free - RESERVE_BYTES + 1))
        with pytest.raises(SteerworksError, match=r"journal: 16 MB cannot be set aside for answers \(No space left"):
            answer_cell(lake, models, "m", BATCH, SilentProgress())
        assert server.stats()["requests"] == 0


def test_a_table_that_cannot_be_written_is_a_clear_error_and_the_answers_are_kept(lake: Lake, prompts: Prompts) -> None:
    prompts(5)
    (lake.root / "responses").write_text("in the way")
    with serve_models() as server:
        models = loopback_models(server.address)
        with pytest.raises(SteerworksError, match=r"the table of m, b1 cannot be written \(.*the answers are kept"):
            answer_cell(lake, models, "m", BATCH, SilentProgress())
        (lake.root / "responses").unlink()
        assert answer_cell(lake, models, "m", BATCH, SilentProgress()).reused == 5
