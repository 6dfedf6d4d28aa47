"""A cell's table is written while its requests are asked, and is the same as one made afterwards."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from dagster_project.errors import SteerworksError
from dagster_project.generation import Cell, CellReport, SilentProgress, answer_cell, answer_cells, following
from dagster_project.generation.journal import journal_path
from dagster_project.identity import stable_id
from dagster_project.lake import Lake
from dagster_project.loopback.models import Behaviour, serve_models
from tests.generation.cells import BATCH, Recorder, loopback_models, start_process, until, write_prompts

pytestmark = pytest.mark.slow

Prompts = Callable[..., list[str]]
CELL = {"model": "m", "prompt_batch": BATCH}


def partition(lake: Lake) -> Path:
    return lake.root / "responses" / "model=m" / f"prompt_batch={BATCH}"


def files(lake: Lake) -> list[str]:
    return sorted(path.name for path in partition(lake).glob("*")) if partition(lake).exists() else []


@pytest.mark.parametrize("at_hand", [0, 5, 1024])
def test_the_table_has_the_same_bytes_however_its_answers_came(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, at_hand: int
) -> None:
    """Answered late, twice wanted, refused, tried in vain, or known before."""
    monkeypatch.setattr(following, "MOST_AT_HAND", at_hand)
    texts = [f"Question {number % 1000}?" for number in range(1100)]
    random.Random(1).shuffle(texts)
    faults = Behaviour(latency=0.01, p_slow=0.02, slow_seconds=0.5, p400=0.05, p500=0.05)
    with serve_models(faults) as server:
        models = loopback_models(server.address, {"max_in_flight": 100})
        write_prompts(lake, texts[:300])
        answer_cell(lake, models, "m", BATCH, SilentProgress())
        write_prompts(lake, texts)
        report = answer_cell(lake, models, "m", BATCH, SilentProgress())
        written_meanwhile, sent = lake.content_hash("responses", CELL), server.stats()["requests"]
        afterwards = answer_cell(lake, models, "m", BATCH, SilentProgress())
        assert server.stats()["requests"] == sent
    assert lake.content_hash("responses", CELL) == written_meanwhile
    assert report.wanted == 1100 == report.ok + report.failed["http_400"]
    figures = ("wanted", "ok", "failed", "prompt_tokens", "completion_tokens", "latency_median", "latency_99th")
    assert [getattr(report, name) for name in figures] == [getattr(afterwards, name) for name in figures]


def test_what_a_killed_run_left_of_its_table_is_gone_after_the_next(lake: Lake, prompts: Prompts) -> None:
    prompts(600)
    with serve_models(Behaviour(latency=0.1)) as server:
        models = loopback_models(server.address)
        child = start_process(lake, models)
        until(lambda: bool(files(lake)))
        child.send_signal(signal.SIGKILL)
        child.wait()
        assert [name for name in files(lake) if name.endswith(".tmp")], "the table is begun while requests are asked"
        server.behave(Behaviour())
        assert answer_cell(lake, models, "m", BATCH, SilentProgress()).ok == 600
    assert files(lake) == ["part.parquet"]


def test_prompts_that_are_selected_anew_meanwhile_have_their_answers_too(lake: Lake, prompts: Prompts) -> None:
    in_order = sorted(prompts(400), key=lambda text: stable_id("p", text))
    with serve_models(Behaviour(latency=0.5)) as server:
        child = start_process(lake, loopback_models(server.address, {"max_in_flight": 64}))
        until(lambda: server.stats()["requests"] > 0)
        write_prompts(lake, in_order[128:])
        assert child.wait() == 0
    assert lake.read("responses", CELL)["status"].to_list() == ["ok"] * 272


def test_a_batch_that_comes_back_while_others_are_asked_has_its_answers_in_the_table(lake: Lake) -> None:
    texts = [f"Question {number}?" for number in range(40)]
    with serve_models(Behaviour(batch_seconds=1.5, latency=0.5)) as server:
        write_prompts(lake, texts[:20])
        pending = answer_cell(lake, loopback_models(server.address, batch={}), "m", BATCH, SilentProgress())
        assert pending.failed == {"batch_pending": 20}
        write_prompts(lake, [*texts, texts[-1]])
        models = loopback_models(server.address, {"max_in_flight": 4})
        assert answer_cell(lake, models, "m", BATCH, SilentProgress()).ok == 41


def test_a_leftover_that_cannot_be_removed_is_named_and_fails_its_cell_alone(lake: Lake, prompts: Prompts) -> None:
    prompts(3)
    prompts(3, "b2", first=3)
    leftover = partition(lake) / ".part.parquet.99999.tmp"
    leftover.mkdir(parents=True)
    with serve_models() as server:
        cells = [Cell("m", BATCH), Cell("m", "b2")]
        results = dict(answer_cells(lake, loopback_models(server.address), cells, SilentProgress()))
    assert "the table of m, b1 cannot be written" in str(results[cells[0]])
    assert isinstance(results[cells[1]], CellReport)


def test_a_table_that_cannot_be_written_stops_no_asking(lake: Lake, prompts: Prompts, progress: Recorder) -> None:
    prompts(300)
    partition(lake).parent.parent.mkdir(parents=True)
    partition(lake).parent.write_text("a file where a folder belongs")
    with serve_models() as server:
        models = loopback_models(server.address)
        with pytest.raises(SteerworksError, match=r"the table of m, b1 cannot be written.*the answers are kept"):
            answer_cell(lake, models, "m", BATCH, progress)
        assert [message for message in progress.messages if message.endswith("its requests are asked on.")]
        assert journal_path(lake.root, "m", BATCH).read_bytes().count(b"\n") == 300
        partition(lake).parent.unlink()
        assert answer_cell(lake, models, "m", BATCH, SilentProgress()).ok == 300
        assert server.stats()["requests"] == 300


def test_an_endpoint_that_fails_leaves_no_table(lake: Lake, prompts: Prompts) -> None:
    prompts(300)
    with serve_models(Behaviour(latency=0.1)) as server:
        models = loopback_models(server.address)
        child = start_process(lake, models)
        until(lambda: bool(files(lake)))
        server.behave(Behaviour(down_model="simulated-model"))
        assert child.wait() != 0
        assert files(lake) == []
