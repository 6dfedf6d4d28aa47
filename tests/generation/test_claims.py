"""What several cells want at the same time is sent once: side by side, in other processes, and after a kill."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagster_project.generation import Cell, CellReport, SilentProgress, answer_cell, answer_cells, verify_responses
from dagster_project.generation.claims import Claims
from dagster_project.generation.journal import journal_path, while_idle
from dagster_project.generation.known import KnownAnswers
from dagster_project.lake import Lake
from dagster_project.loopback.models import Behaviour, serve_models
from tests.generation.cells import BATCH, Recorder, loopback_models, start_process, until, write_prompts

Prompts = Callable[..., list[str]]
SAME = [Cell("m", BATCH), Cell("n", BATCH), Cell("m", "b2"), Cell("n", "b2")]


@pytest.mark.slow
def test_cells_side_by_side_that_want_the_same_send_it_once(lake: Lake, prompts: Prompts) -> None:
    prompts(300)
    prompts(300, "b2")
    with serve_models(Behaviour(latency=0.05)) as server:
        models = loopback_models(server.address)
        reports = [report for _, report in answer_cells(lake, models, SAME, SilentProgress())]
        assert server.stats()["requests"] == 300
    assert [report.ok for report in reports if isinstance(report, CellReport)] == [300] * 4
    assert sum(report.sent for report in reports if isinstance(report, CellReport)) == 300
    assert sum(report.reused for report in reports if isinstance(report, CellReport)) == 900
    assert not any(count.differing or count.missing for count in verify_responses(lake, models, SAME))


@pytest.mark.slow
def test_processes_that_want_the_same_send_it_once(lake: Lake, prompts: Prompts) -> None:
    prompts(300)
    prompts(300, "b2")
    with serve_models(Behaviour(latency=0.05)) as server:
        models = loopback_models(server.address)
        children = [start_process(lake, models, *cell) for cell in SAME]
        assert [child.wait() for child in children] == [0] * 4
        assert server.stats()["requests"] == 300
    assert lake.read("responses")["status"].to_list() == ["ok"] * 1200


@pytest.mark.slow
def test_a_killed_process_keeps_nobody_waiting_and_what_it_has_is_not_asked_again(lake: Lake, prompts: Prompts) -> None:
    prompts(200)
    prompts(200, "b2")
    with serve_models(Behaviour(latency=0.1)) as server:
        models = loopback_models(server.address, {"max_in_flight": 10})
        first = start_process(lake, models, "m", BATCH)
        until(lambda: server.stats()["requests"] > 50)
        second = start_process(lake, models, "m", "b2")
        until(lambda: server.stats()["requests"] > 90)
        first.send_signal(signal.SIGKILL)
        first.wait()
        assert second.wait() == 0
        assert server.stats()["requests"] <= 200 + 10
    assert lake.read("responses", {"model": "m", "prompt_batch": "b2"})["status"].to_list() == ["ok"] * 200


def test_the_same_question_twice_in_a_batch_is_asked_once(lake: Lake) -> None:
    write_prompts(lake, ["What is rain?"] * 2 + [f"What is {number}?" for number in range(200)] + ["What is rain?"])
    with serve_models() as server:
        report = answer_cell(lake, loopback_models(server.address), "m", BATCH, SilentProgress())
        assert server.stats()["requests"] == 201
    assert (report.ok, report.asked, report.reused) == (203, 201, 2)


def test_a_question_that_fails_in_one_cell_is_tried_by_the_next(lake: Lake, prompts: Prompts) -> None:
    prompts(30)
    with serve_models(Behaviour(p400=1.0)) as server:
        cells = [Cell("m", BATCH), Cell("n", BATCH)]
        reports = [report for _, report in answer_cells(lake, loopback_models(server.address), cells, SilentProgress())]
        assert server.stats()["requests"] == 60
    assert [report.failed for report in reports if isinstance(report, CellReport)] == [{"http_400": 30}] * 2


@pytest.mark.slow
def test_a_cell_that_waits_for_another_says_so(lake: Lake, prompts: Prompts) -> None:
    prompts(20)
    progress = Recorder()
    with serve_models(Behaviour(latency=0.5)) as server:
        list(answer_cells(lake, loopback_models(server.address), [Cell("m", BATCH), Cell("n", BATCH)], progress))
    assert progress.messages == ["20 requests of n, b1 are under way for another cell; waiting for its answers"]


@pytest.fixture
def claims(tmp_path: Path) -> Claims:
    return Claims(tmp_path, KnownAnswers(tmp_path))


def test_claims_end_with_their_release_or_the_end_of_whoever_had_them(claims: Claims, tmp_path: Path) -> None:
    mine, other = (journal_path(tmp_path, model, BATCH) for model in "mn")
    with while_idle(mine), while_idle(other):
        assert claims.claim(mine, ["aa", "bb"]).now == ["aa", "bb"]
        assert claims.claim(other, ["bb", "cc"]) == (["cc"], {"bb": mine}, set())
        assert not claims.are_released(mine)
        claims.release(mine)
        assert claims.are_released(mine)
        assert claims.claim(other, ["aa", "bb"]).now == ["aa", "bb"]
    with while_idle(mine):
        assert claims.claim(mine, ["aa", "cc"]).now == ["aa", "cc"], "nobody works on the other cell any more"


def test_a_spoiled_list_of_claims_is_begun_anew(claims: Claims, tmp_path: Path) -> None:
    journal = journal_path(tmp_path, "m", BATCH)
    with while_idle(journal):
        claims.claim(journal, [f"{number:04x}" for number in range(2000)])
        claims.close()
        path = tmp_path / "journal" / "claims.sqlite"
        path.write_bytes(b"\xaa" * path.stat().st_size)
        assert Claims(tmp_path, KnownAnswers(tmp_path)).claim(journal, ["0001"]).now == ["0001"]


@given(steps=st.lists(st.tuples(st.sampled_from("mno"), st.sets(st.integers(0, 12), min_size=1)), max_size=20))
def test_no_request_has_two_claims(steps: list[tuple[str, set[int]]], tmp_path_factory: pytest.TempPathFactory) -> None:
    root = tmp_path_factory.mktemp("lake")
    claims, held = Claims(root, KnownAnswers(root)), dict[str, str]()
    journals = {model: journal_path(root, model, BATCH) for model in "mno"}
    with while_idle(journals["m"]), while_idle(journals["n"]), while_idle(journals["o"]):
        for model, numbers in steps:
            claimed = claims.claim(journals[model], [f"{number:02x}" for number in numbers])
            assert not claimed.now & held.keys()
            assert claimed.elsewhere == {key: journals[held[key]] for key in claimed.elsewhere}
            assert len(claimed.now) + len(claimed.elsewhere) == len(numbers)
            held |= dict.fromkeys(claimed.now, model)
    claims.close()
