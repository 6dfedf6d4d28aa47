"""A model behind a Batch API: handed in once, collected when it comes back, nothing lost and nothing paid for twice."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from dagster_project.errors import SteerworksError
from dagster_project.generation import (
    CellReport,
    Purse,
    SilentProgress,
    answer_cell,
    cells_with_ended_batches,
    estimate,
    unfilled_cells,
)
from dagster_project.generation.batch_log import BatchLog
from dagster_project.generation.batches import BatchDesk
from dagster_project.generation.journal import journal_path, read_answers
from dagster_project.lake import Lake
from dagster_project.loopback.models import Behaviour, LoopbackModels, serve_models
from dagster_project.settings import ModelsFile
from tests.generation.cells import BATCH, loopback_models

Prompts = Callable[..., list[str]]
KEY = "sk-secret-key-that-must-not-leak-0123456789"
DEAR = {"output_usd_per_million": 1_000_000 / 50}
"""At most 1 USD an answer."""


def models_at(server: LoopbackModels, endpoint: dict[str, Any] | None = None, **model: Any) -> ModelsFile:
    return loopback_models(server.address, endpoint, **({"batch": {}} | model))


def run(lake: Lake, models: ModelsFile, purse: Purse | None = None) -> CellReport:
    return answer_cell(lake, models, "m", BATCH, SilentProgress(), purse)


def reasons(lake: Lake) -> Counter[str | None]:
    return Counter(lake.read("responses", {"model": "m", "prompt_batch": BATCH})["reason"].to_list())


def handed_in(server: LoopbackModels) -> int:
    return sum(server.stats()["batch_lines"].values())


def run_to_the_end(lake: Lake, models: ModelsFile) -> CellReport:
    """Run the cell whenever a batch of it has ended, until none is out."""
    report = run(lake, models)
    deadline = time.monotonic() + 30
    while BatchLog(journal_path(lake.root, "m", BATCH)).outstanding:
        assert time.monotonic() < deadline
        if cells_with_ended_batches(lake.root, models):
            report = run(lake, models)
        time.sleep(0.02)
    return report


def test_a_first_run_hands_in_and_a_later_one_collects(lake: Lake, prompts: Prompts) -> None:
    texts = prompts(30)
    with serve_models(Behaviour(batch_seconds=0.5)) as server:
        models = models_at(server)
        first = run(lake, models)
        assert (first.sent, first.ok, first.failed) == (30, 0, {"batch_pending": 30})
        assert unfilled_cells(lake, models, ["m"]) == [("m", BATCH)]
        assert estimate(lake, models, [("m", BATCH)])[0].requests == 0
        waiting = run(lake, models)
        assert (waiting.sent, waiting.failed) == (0, {"batch_pending": 30})
        assert cells_with_ended_batches(lake.root, models) == {}
        last = run_to_the_end(lake, models)
        assert handed_in(server) == 30
        assert cells_with_ended_batches(lake.root, models) == {}
    assert (last.sent, last.asked, last.ok, last.failed) == (0, 30, 30, {})
    assert last.completion_tokens > 0
    assert unfilled_cells(lake, models, ["m"]) == []
    assert len(texts) == len(set(lake.read("responses")["response"]))
    assert not list(lake.root.rglob("*.requests"))


def test_what_a_batch_cannot_answer_has_its_reason_and_is_not_handed_in_again(lake: Lake, prompts: Prompts) -> None:
    prompts(60)
    with serve_models(Behaviour(p400=0.1, p_content_filter=0.1, reasoning=True)) as server:
        models = models_at(server)
        report = run_to_the_end(lake, models)
        assert set(report.failed) == {"http_400", "content_filter"}
        assert report.ok + sum(report.failed.values()) == 60
        assert run(lake, models).sent == 0
        assert handed_in(server) == 60
    answered = lake.read("responses").drop_nulls("response")
    assert answered["reasoning"].null_count() == 0
    assert answered["reasoning_tokens"].min() > 0


def test_a_batch_that_expires_half_way_is_handed_in_again_for_the_other_half(lake: Lake, prompts: Prompts) -> None:
    prompts(40)
    with serve_models(Behaviour(p_batch_expire=1)) as server:
        models = models_at(server)
        run(lake, models)
        until_it_ended(lake, models)
        half = run(lake, models)
        assert (half.ok, half.failed) == (20, {"batch_pending": 20})
        server.behaviour = Behaviour()
    assert (half.sent, half.asked) == (20, 20)
    journalled = [answer.request_hash for answer in read_answers(journal_path(lake.root, "m", BATCH))]
    assert len(journalled) == len(set(journalled)) == 20


def until_it_ended(lake: Lake, models: ModelsFile) -> None:
    deadline = time.monotonic() + 20
    while not cells_with_ended_batches(lake.root, models):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_batch_that_the_provider_turns_down_is_an_error_with_its_words(lake: Lake, prompts: Prompts) -> None:
    prompts(3)
    with serve_models(Behaviour(p_batch_fail=1)) as server:
        models = models_at(server)
        run(lake, models)
        until_it_ended(lake, models)
        with pytest.raises(SteerworksError, match=r"model `m`: the provider turned a batch down: batch batch_"):
            run(lake, models)
    with serve_models(port=server.port):
        assert run_to_the_end(lake, models).ok == 3


def test_many_requests_go_in_several_batches(lake: Lake, prompts: Prompts) -> None:
    prompts(25)
    with serve_models(Behaviour(batch_limit=10)) as server:
        assert run_to_the_end(lake, models_at(server, batch={"max_requests": 10})).ok == 25
        assert server.stats()["batches"] == 3


@pytest.mark.parametrize("handed_in_before", [True, False])
def test_a_crash_while_handing_in_has_nothing_paid_for_twice(
    lake: Lake, prompts: Prompts, monkeypatch: pytest.MonkeyPatch, handed_in_before: bool
) -> None:
    """Nobody knows then whether the provider has the batch: it is looked for by our mark."""
    prompts(5)
    submit = BatchDesk._submit

    async def crash(desk: BatchDesk, mark: str, requests: Any) -> str:
        if handed_in_before:
            await submit(desk, mark, requests)
        raise KeyboardInterrupt

    with serve_models(Behaviour()) as server:
        models = models_at(server)
        with monkeypatch.context() as patch:
            patch.setattr(BatchDesk, "_submit", crash)
            with pytest.raises(KeyboardInterrupt):
                run(lake, models)
        assert run_to_the_end(lake, models).ok == 5
        assert handed_in(server) == 5
        assert server.stats()["batch_resubmitted"] == {}


def test_a_crash_while_collecting_loses_nothing(lake: Lake, prompts: Prompts, monkeypatch: pytest.MonkeyPatch) -> None:
    prompts(8)
    with serve_models(Behaviour()) as server:
        models = models_at(server)
        run(lake, models)
        until_it_ended(lake, models)
        with monkeypatch.context() as patch:
            patch.setattr(BatchLog, "ended", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                run(lake, models)
        assert run_to_the_end(lake, models).ok == 8
        assert handed_in(server) == 8


def test_answers_to_prompts_that_were_changed_meanwhile_are_kept(lake: Lake, prompts: Prompts) -> None:
    prompts(4)
    with serve_models(Behaviour()) as server:
        run(lake, models_at(server))
        prompts(4, first=100)
        warmer = models_at(server, sampling={"max_tokens": 50, "temperature": 0.9})
        assert run_to_the_end(lake, warmer).ok == 4
        assert handed_in(server) == 8
        prompts(4)
        assert run_to_the_end(lake, models_at(server)).ok == 4
        assert handed_in(server) == 8


def test_only_what_the_money_covers_is_handed_in_and_what_was_not_needed_comes_back(
    lake: Lake, prompts: Prompts
) -> None:
    prompts(6)
    with serve_models(Behaviour()) as server:
        models = models_at(server, prices=DEAR, max_usd=3.0)
        first = run(lake, models)
        assert (first.sent, first.failed) == (3, {"batch_pending": 3, "budget": 3})
        until_it_ended(lake, models)
        second = run(lake, models, Purse(0.0))
        assert (second.ok, second.sent) == (3, 0)
        assert 0 < second.cost_usd < 3
        third = run(lake, models)
        assert 1 <= third.sent <= 2


def test_a_provider_that_does_not_take_the_key_is_named_and_the_key_is_not(
    lake: Lake, prompts: Prompts, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts(2)
    monkeypatch.setenv("TEST_KEY", KEY)
    with serve_models(Behaviour(api_key="another")) as server:
        models = models_at(server, {"api_key_env": "TEST_KEY"})
        with pytest.raises(SteerworksError, match="the Batch API of the endpoint `loopback`") as error:
            run(lake, models)
    assert "does not accept the key" in str(error.value)
    assert KEY not in repr(error.getrepr(style="long"))


def test_a_provider_that_cannot_be_reached_is_asked_another_time(lake: Lake, prompts: Prompts) -> None:
    prompts(2)
    with serve_models(Behaviour()) as server:
        models = models_at(server)
        run(lake, models)
    assert cells_with_ended_batches(lake.root, models) == {}
    with pytest.raises(SteerworksError, match="cannot be reached"):
        run(lake, models)
