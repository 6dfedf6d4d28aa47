"""A cell's answers are asked for once, survive a kill, and are found again by what was asked."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from dagster_project.errors import SteerworksError
from dagster_project.generation import Purse, SilentProgress, answer_cell
from dagster_project.generation.journal import journal_path, read_answers
from dagster_project.identity import digest
from dagster_project.lake import Lake
from dagster_project.loopback.models import Behaviour, answer_to, serve_models
from tests.generation.cells import BATCH, Recorder, loopback_models, start_process, until, write_prompts

pytestmark = pytest.mark.slow

Prompts = Callable[..., list[str]]


def cell(lake: Lake, model: str = "m", batch: str = BATCH) -> list[dict]:
    return list(lake.read("responses", {"model": model, "prompt_batch": batch}).iter_rows(named=True))


def lines(journal: Path) -> int:
    return journal.read_bytes().count(b"\n") if journal.exists() else 0


def test_every_selected_prompt_gets_an_answer_and_a_second_run_asks_nothing(lake: Lake, progress: Recorder) -> None:
    write_prompts(lake, ["What is rain?", "What is snow?", "unselected"])
    with serve_models() as server:
        models = loopback_models(server.address, prices={"input_usd_per_million": 1, "output_usd_per_million": 2})
        first = answer_cell(lake, models, "m", BATCH, progress)
        bytes_then = lake.content_hash("responses")
        second = answer_cell(lake, models, "m", BATCH, SilentProgress())
        assert server.stats()["requests"] == 2
    assert (first.wanted, first.asked, first.reused, first.ok, first.failed) == (2, 2, 0, 2, {})
    assert (second.asked, second.reused, second.ok, second.spent_usd) == (0, 2, 2, 0)
    assert (second.cost_usd, second.tokens_per_second) == (first.cost_usd, None)
    assert lake.content_hash("responses") == bytes_then
    assert first.cost_usd == pytest.approx((first.prompt_tokens + 2 * first.completion_tokens) / 1e6)
    assert progress.updates[0] == ("m", 0, 0, 2, 0.0)
    assert progress.updates[-1] == ("m", 2, 0, 2, first.cost_usd)
    row = cell(lake)[0]
    assert row["status"] == "ok"
    assert row["response"].startswith("This answer is simulated")
    assert (row["finish_reason"], row["licence"], row["attempts"]) == ("stop", "CC0-1.0", 1)
    assert row["parameters"] == '{"max_tokens":50,"system_prompt":null,"temperature":0.5}'


def test_a_batch_with_nothing_selected_gives_an_empty_partition_and_starts_nothing(lake: Lake) -> None:
    write_prompts(lake, ["unselected"])
    report = answer_cell(lake, loopback_models("http://127.0.0.1:9/v1"), "m", BATCH, SilentProgress())
    assert (report.wanted, report.asked) == (0, 0)
    assert lake.exists("responses", {"model": "m", "prompt_batch": BATCH})
    assert cell(lake) == []


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('"cost_usd":0.0', '"cost_usd":null', r"`cost_usd`: Input should be a valid number"),
        ('"status":"ok"', '"status":"maybe"', r"`status`: Input should be 'ok' or 'failed'"),
    ],
)
def test_a_line_of_the_journal_that_was_edited_to_a_wrong_type_is_named(
    lake: Lake, prompts: Prompts, old: str, new: str, told: str
) -> None:
    prompts(3)
    with serve_models() as server:
        models = loopback_models(server.address)
        answer_cell(lake, models, "m", BATCH, SilentProgress())
        journal = journal_path(lake.root, "m", BATCH)
        first, second, third = journal.read_text().splitlines(keepends=True)
        assert old in second
        journal.write_text(first + second.replace(old, new) + third)
        with pytest.raises(SteerworksError, match=rf"b1\.jsonl:2: this line is not an answer \({told}\)\. Something"):
            answer_cell(lake, models, "m", BATCH, SilentProgress())
        journal.write_text(first + third)
        assert answer_cell(lake, models, "m", BATCH, SilentProgress()).ok == 3
        assert server.stats()["requests"] == 4


def test_a_batch_that_was_never_selected_is_an_error_that_says_what_to_do(lake: Lake) -> None:
    with pytest.raises(SteerworksError, match=r"`b1` has no `selected_prompts` yet.*materialise"):
        answer_cell(lake, loopback_models("http://127.0.0.1:9/v1"), "m", BATCH, SilentProgress())


def test_system_prompt_and_seeds_are_sent_and_each_sample_has_its_own(lake: Lake, prompts: Prompts) -> None:
    prompts(1)
    sampling = {"max_tokens": 50, "seed": 7, "stop": ["END"]}
    with serve_models(Behaviour(remember=True)) as server:
        models = loopback_models(server.address, samples=3, sampling=sampling, system_prompt="Be brief.")
        answer_cell(lake, models, "m", BATCH, SilentProgress())
        bodies = sorted(server.seen, key=lambda body: body["seed"])
    assert [body["seed"] for body in bodies] == [7, 8, 9]
    assert bodies[0]["messages"][0] == {"role": "system", "content": "Be brief."}
    assert "temperature" not in bodies[0]
    assert [row["sample_index"] for row in sorted(cell(lake), key=lambda row: row["sample_index"])] == [0, 1, 2]


def test_a_changed_temperature_asks_anew_and_a_changed_price_limit_or_address_does_not(
    lake: Lake, prompts: Prompts
) -> None:
    prompts(3)
    with serve_models() as first, serve_models() as second:
        answer_cell(lake, loopback_models(first.address), "m", BATCH, SilentProgress())
        dearer = loopback_models(
            second.address, {"max_in_flight": 2}, prices={"input_usd_per_million": 0, "output_usd_per_million": 9}
        )
        assert answer_cell(lake, dearer, "m", BATCH, SilentProgress()).asked == 0
        assert sum(row["cost_usd"] for row in cell(lake)) == 0
        warmer = loopback_models(second.address, sampling={"max_tokens": 50, "temperature": 0.9})
        assert answer_cell(lake, warmer, "m", BATCH, SilentProgress()).asked == 3
        assert (first.stats()["requests"], second.stats()["requests"]) == (3, 3)


def test_one_prompt_added_asks_for_one_answer(lake: Lake, prompts: Prompts) -> None:
    with serve_models() as server:
        models = loopback_models(server.address)
        prompts(5)
        answer_cell(lake, models, "m", BATCH, SilentProgress())
        prompts(6)
        report = answer_cell(lake, models, "m", BATCH, SilentProgress())
    assert (report.asked, report.reused, report.ok) == (1, 5, 6)


def test_another_slug_or_batch_that_asks_the_same_has_the_answer_already(lake: Lake, prompts: Prompts) -> None:
    prompts(4)
    prompts(4, batch="b2")
    with serve_models() as server:
        models = loopback_models(server.address)
        answer_cell(lake, models, "m", BATCH, SilentProgress())
        twin = answer_cell(lake, models, "n", BATCH, SilentProgress())
        later = answer_cell(lake, models, "m", "b2", SilentProgress())
        assert server.stats()["requests"] == 4
    assert (twin.asked, twin.ok, later.asked, later.ok) == (0, 4, 0, 4)
    mine, other = cell(lake), cell(lake, "n")
    assert [row["response"] for row in mine] == [row["response"] for row in other]
    assert not {row["response_id"] for row in mine} & {row["response_id"] for row in other}


def test_after_a_kill_only_what_was_in_flight_is_asked_again_and_nothing_is_lost(lake: Lake, prompts: Prompts) -> None:
    prompts(120)
    journal = journal_path(lake.root, "m", BATCH)
    with serve_models(Behaviour(latency=0.1, remember=True)) as server:
        models = loopback_models(server.address, {"max_in_flight": 8})
        for goal in (30, 70):
            child = start_process(lake, models)
            until(lambda goal=goal: lines(journal) >= goal)
            child.send_signal(signal.SIGKILL)
            child.wait()
        finished = {answer.request_hash for answer in read_answers(journal)}
        assert 70 <= len(finished) < 120
        report = answer_cell(lake, models, "m", BATCH, SilentProgress())
        times_asked = Counter(digest(body) for body in server.seen)
    assert (report.ok, report.reused, report.asked) == (120, len(finished), 120 - len(finished))
    assert len(times_asked) == 120
    assert sum(times_asked.values()) <= 120 + 2 * 8
    for row in cell(lake):
        assert "simulated" in row["response"]


def test_a_second_process_waits_says_so_and_asks_nothing(lake: Lake, prompts: Prompts, progress: Recorder) -> None:
    prompts(60)
    with serve_models(Behaviour(latency=0.2)) as server:
        child = start_process(lake, loopback_models(server.address, {"max_in_flight": 8}))
        until(lambda: lines(journal_path(lake.root, "m", BATCH)) > 0)
        report = answer_cell(lake, loopback_models(server.address), "m", BATCH, progress)
        assert child.wait() == 0
        assert server.stats()["requests"] == 60
    assert (report.asked, report.ok) == (0, 60)
    assert progress.messages == ["another run works on model=m prompt_batch=b1; waiting until it is done"]


def test_the_money_is_never_exceeded_and_the_next_run_goes_on(lake: Lake, prompts: Prompts) -> None:
    texts = prompts(20)
    prices = {"input_usd_per_million": 0, "output_usd_per_million": 1_000_000 / 50}  # at most 1 USD an answer
    with serve_models() as server:
        models = loopback_models(server.address, prices=prices)
        first = answer_cell(lake, models, "m", BATCH, SilentProgress(), Purse(4.0))
        assert 3.0 < first.cost_usd == first.spent_usd <= 4.0
        assert first.failed == {"budget": 20 - first.ok}
        assert {row["reason"] for row in cell(lake) if row["status"] == "failed"} == {"budget"}
        bytes_then = lake.content_hash("responses")
        nothing = answer_cell(lake, models, "m", BATCH, SilentProgress(), Purse(0.0))
        assert (nothing.asked, lake.content_hash("responses")) == (0, bytes_then)
        last = answer_cell(lake, models, "m", BATCH, SilentProgress())
        assert (last.ok, last.reused) == (20, first.ok)
        assert server.stats()["requests"] == len(texts)


def test_cells_share_a_purse_and_what_a_failed_cell_spent_is_gone(lake: Lake, prompts: Prompts) -> None:
    prompts(6)
    prompts(6, "b2", first=10)
    prices = {"input_usd_per_million": 0, "output_usd_per_million": 1_000_000 / 50}
    purse = Purse(1.5)
    with serve_models(Behaviour(requests_per_second=1, retry_after=900)) as server:
        models = loopback_models(server.address, {"max_in_flight": 1}, prices=prices)
        with pytest.raises(SteerworksError, match="asks to be left alone"):
            answer_cell(lake, models, "m", BATCH, SilentProgress(), purse)
    journal = read_answers(journal_path(lake.root, "m", BATCH))
    spent = sum(answer.cost_usd for answer in journal)
    assert purse.spent_usd == pytest.approx(spent)
    assert spent > 0
    with serve_models() as server:
        models = loopback_models(server.address, prices=prices)
        report = answer_cell(lake, models, "m", "b2", SilentProgress(), purse)
    assert purse.spent_usd == pytest.approx(spent + report.spent_usd)
    assert purse.spent_usd <= 1.5
    assert report.failed["budget"] >= 1


def test_what_is_on_its_way_when_a_model_fails_is_waited_for_and_kept(lake: Lake, prompts: Prompts) -> None:
    prompts(4)
    with serve_models(Behaviour(requests_per_second=1, retry_after=900, latency=1)) as server:
        with pytest.raises(SteerworksError, match="asks to be left alone"):
            answer_cell(lake, loopback_models(server.address), "m", BATCH, SilentProgress())
        answered = server.stats()["statuses"]["200"]
    assert answered >= 1
    assert len(list(read_answers(journal_path(lake.root, "m", BATCH)))) == answered


def test_a_request_that_may_have_been_worked_on_counts_as_the_dearest_it_may_be(lake: Lake, prompts: Prompts) -> None:
    prompts(2)
    purse = Purse(100.0)
    with serve_models(Behaviour(latency=5)) as server:
        endpoint = {"timeout_seconds": 0.2}
        models = loopback_models(
            server.address, endpoint, prices={"input_usd_per_million": 0, "output_usd_per_million": 1_000_000 / 50}
        )
        with pytest.raises(SteerworksError, match="no reply"):
            answer_cell(lake, models, "m", BATCH, SilentProgress(), purse)
    assert purse.spent_usd == server.stats()["requests"]


def test_a_free_model_goes_on_when_the_money_is_gone(lake: Lake, prompts: Prompts) -> None:
    prompts(2)
    with serve_models() as server:
        report = answer_cell(lake, loopback_models(server.address), "m", BATCH, SilentProgress(), Purse(1.0, 1.5))
    assert report.ok == 2


def test_the_answer_in_the_table_is_the_one_to_its_own_prompt(lake: Lake, prompts: Prompts) -> None:
    texts = prompts(40)
    with serve_models(Behaviour(latency=0.01, p_slow=0.3, slow_seconds=0.1)) as server:
        answer_cell(lake, loopback_models(server.address), "m", BATCH, SilentProgress())
    sent = {"model": "simulated-model", "max_tokens": 50, "temperature": 0.5}
    expected = {answer_to(sent | {"messages": [{"role": "user", "content": text}]}) for text in texts}
    assert {row["response"] for row in cell(lake)} == expected
