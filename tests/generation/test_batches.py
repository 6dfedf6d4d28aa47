"""A model behind a Batch API: handed in once, collected when it comes back, nothing lost and nothing paid for twice."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from dagster_project.errors import SteerworksError
from dagster_project.generation import (
    Cell,
    CellProgress,
    CellReport,
    OutstandingBatch,
    Purse,
    SilentProgress,
    answer_cell,
    answer_cells,
    cells_with_ended_batches,
    collect_unasked,
    estimate,
    outstanding_batches,
    unfilled_cells,
)
from dagster_project.generation.batches.desk import BatchDesk
from dagster_project.generation.batches.log import BatchLog
from dagster_project.generation.journal import journal_path, read_answers
from dagster_project.generation.limits.ledger import Ledger
from dagster_project.lake import Lake
from dagster_project.loopback.models import Behaviour, LoopbackModels, serve_models
from dagster_project.settings import ModelsFile
from tests.generation.batch_server import BatchServer, Body, Reply, all_answered, answered, serve_batches, unanswered
from tests.generation.cells import BATCH, Recorder, loopback_models, start_process, until, write_prompts

Prompts = Callable[..., list[str]]
KEY = "sk-secret-key-that-must-not-leak-0123456789"
DEAR = {"input_usd_per_million": 0, "output_usd_per_million": 1_000_000 / 50}
"""At most 1 USD an answer."""


def models_at(server: LoopbackModels | BatchServer, endpoint: dict[str, Any] | None = None, **model: Any) -> ModelsFile:
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


@pytest.mark.slow
def test_a_first_run_hands_in_and_a_later_one_collects(lake: Lake, prompts: Prompts) -> None:
    texts = prompts(30)
    with serve_models(Behaviour(batch_seconds=2)) as server:
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
        server.behave(Behaviour())
    assert (half.sent, half.asked) == (20, 20)
    journalled = [answer.request_hash for answer in read_answers(journal_path(lake.root, "m", BATCH))]
    assert len(journalled) == len(set(journalled)) == 20


def until_it_ended(lake: Lake, models: ModelsFile) -> None:
    deadline = time.monotonic() + 20
    while not cells_with_ended_batches(lake.root, models):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_provider_that_has_no_room_yet_is_asked_again_later(lake: Lake, prompts: Prompts) -> None:
    prompts(3)
    progress = Recorder()
    with serve_models(Behaviour(p_batch_fail=1)) as server:
        models = models_at(server)
        run(lake, models)
        until_it_ended(lake, models)
        report = answer_cell(lake, models, "m", BATCH, progress)
        assert (report.sent, report.failed) == (0, {"batch_no_room": 3})
        assert cells_with_ended_batches(lake.root, models) == {}
        assert unfilled_cells(lake, models, ["m"]) == [("m", BATCH)]
    assert [message for message in progress.messages if "Enqueued token limit reached" in message]
    with serve_models(port=server.port):
        assert run_to_the_end(lake, models).ok == 3


def test_many_requests_go_in_several_batches(lake: Lake, prompts: Prompts) -> None:
    prompts(25)
    with serve_models(Behaviour(batch_limit=10)) as server:
        assert run_to_the_end(lake, models_at(server, batch={"max_requests": 10})).ok == 25
        assert server.stats()["batches"] == 3


def test_a_batch_keeps_to_the_size_that_a_file_may_have(lake: Lake) -> None:
    write_prompts(lake, [f"{number} " + "long " * 60_000 for number in range(8)])
    with serve_batches(BatchServer()) as server:
        models = models_at(server, batch={"max_megabytes": 1})
        run(lake, models)
        assert run(lake, models).ok == 8
        sizes = [len(server.files[batch["input_file_id"]]) for batch in server.batches.values()]
    assert len(sizes) == 3
    assert max(sizes) <= 2**20


@pytest.mark.parametrize("handed_in_before", [True, False])
def test_a_crash_while_handing_in_has_nothing_paid_for_twice(
    lake: Lake, prompts: Prompts, monkeypatch: pytest.MonkeyPatch, handed_in_before: bool
) -> None:
    """Nobody knows then whether the provider has the batch: it is looked for by our mark."""
    prompts(5)
    submit = BatchDesk._submit

    async def crash(desk: BatchDesk, *batch: Any) -> str:
        if handed_in_before:
            await submit(desk, *batch)
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
        assert 0 < second.spent_usd < 3
        third = run(lake, models)
        assert 1 <= third.sent <= 2


def test_what_batches_of_one_cell_leave_of_the_money_is_there_for_another(lake: Lake, prompts: Prompts) -> None:
    """What has come back is collected before anything is handed in, whichever cell goes first."""
    prompts(3)
    prompts(3, "b2", first=1000)
    progress = Recorder()
    with serve_batches(BatchServer()) as server:
        models = models_at(server, prices=DEAR, max_usd=3.0)
        assert answer_cell(lake, models, "m", "b2", progress).sent == 3
        cells = [Cell("m", BATCH), Cell("m", "b2")]
        reports = dict(answer_cells(lake, models, cells, progress))
        first, second = (report for cell in cells if isinstance(report := reports[cell], CellReport))
        assert (second.ok, second.asked, second.reused) == (3, 3, 0)
        assert second.spent_usd == pytest.approx(3 * 10 / 50)
        assert first.failed == {"batch_pending": 2, "budget": 1}
        assert set(server.handed_in.values()) == {1}
    [said] = [message for message in progress.messages if "is reached" in message]
    assert "0.6000 USD are spent, 2.0000 held for batches that are out" in said
    assert "It goes on with what batches leave when they have come back, or when it is raised" in said


@pytest.mark.parametrize("call", ["upload", "create"])
def test_what_there_was_no_room_for_costs_the_run_nothing(lake: Lake, prompts: Prompts, call: str) -> None:
    prompts(3)
    purse = Purse(3.0)
    with serve_batches(BatchServer()) as server:
        models = models_at(server, prices=DEAR)
        server.instead[call] = [Reply(429, b'{"error": {"message": "Full", "code": "token_limit_exceeded"}}')]
        assert run(lake, models, purse).failed == {"batch_no_room": 3}
        assert purse.spent_usd == 0
        assert run(lake, models, purse).sent == 3


def test_what_one_cell_finds_no_room_for_is_no_want_of_money_of_another(lake: Lake, prompts: Prompts) -> None:
    cells = [Cell("m", f"b{number}") for number in range(6)]
    for number, cell in enumerate(cells):
        prompts(2, cell.prompt_batch, first=1000 * number)
    progress = Recorder()
    with serve_batches(BatchServer()) as server:
        models = models_at(server, prices=DEAR)
        full = Reply(429, b'{"error": {"message": "Full", "code": "token_limit_exceeded"}}')
        server.instead["create"] = [full] * len(cells)
        reports = [report for _, report in answer_cells(lake, models, cells, progress, Purse(4.0))]
    failed = [report.failed for report in reports if isinstance(report, CellReport)]
    assert failed == [{"batch_no_room": 2}] * len(cells)
    assert not [message for message in progress.messages if "is reached" in message]


def test_what_a_provider_took_is_out_though_it_had_no_room_for_another_meanwhile(lake: Lake, prompts: Prompts) -> None:
    cells = [Cell("m", "b0"), Cell("m", "b1")]
    for number, cell in enumerate(cells):
        prompts(2, cell.prompt_batch, first=1000 * number)

    def slowly(entries: list[Body]) -> bytes:
        time.sleep(0.5)
        return all_answered(entries)

    with serve_batches(BatchServer(slowly)) as server:
        full = Reply(429, b'{"error": {"message": "Full", "code": "token_limit_exceeded"}}')
        server.instead["create"] = [Reply(200, b'{"id": "batch_0"}', done=True), full]
        results = dict(answer_cells(lake, models_at(server), cells, SilentProgress()))
    reports = [report for report in results.values() if isinstance(report, CellReport)]
    assert sorted((report.sent, report.failed.popitem()) for report in reports) == [
        (0, ("batch_no_room", 2)),
        (2, ("batch_pending", 2)),
    ]


@pytest.mark.parametrize("call", ["upload", "create"])
def test_an_id_that_repeats_the_key_is_kept_nowhere(
    lake: Lake, prompts: Prompts, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    prompts(2)
    monkeypatch.setenv("TEST_KEY", KEY)
    with serve_batches(BatchServer()) as server:
        server.instead[call] = [Reply(200, json.dumps({"id": f"of-{KEY}"}).encode())]
        with pytest.raises(SteerworksError, match=r"gives the id of-\*\*\*, which repeats a secret"):
            run(lake, models_at(server, {"api_key_env": "TEST_KEY"}))
    assert not [path for path in lake.root.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]


def test_a_short_key_may_be_part_of_an_id(lake: Lake, prompts: Prompts, monkeypatch: pytest.MonkeyPatch) -> None:
    prompts(2)
    monkeypatch.setenv("TEST_KEY", "batch")
    with serve_models(Behaviour()) as server:
        assert run(lake, models_at(server, {"api_key_env": "TEST_KEY"})).sent == 2


def test_what_is_out_for_cells_that_nobody_asks_for_is_collected(lake: Lake, prompts: Prompts) -> None:
    prompts(2)
    progress = Recorder()
    with serve_batches(BatchServer()) as server:
        models = models_at(server)
        run(lake, models)
        collect_unasked(lake, models, ["m"], [("m", BATCH)], progress)
        assert BatchLog(journal_path(lake.root, "m", BATCH)).outstanding
        collect_unasked(lake, models, ["m"], [], progress)
    assert not BatchLog(journal_path(lake.root, "m", BATCH)).outstanding
    assert len(settled(lake)) == 2
    assert progress.messages == []
    log = journal_path(lake.root, "m", "other").with_suffix(".batches")
    log.write_text("garbage\n")
    collect_unasked(lake, models, ["m"], [], progress)
    [said] = progress.messages
    assert f"{log}:1: this line is not about a batch" in said


def test_what_keeps_all_cells_from_being_collected_is_told_once(lake: Lake, prompts: Prompts) -> None:
    batches = [BATCH, "b2", "b3"]
    for number, batch in enumerate(batches):
        prompts(1, batch, first=number)
    progress = Recorder()
    with serve_batches(BatchServer()) as server:
        models = models_at(server)
        for batch in batches:
            answer_cell(lake, models, "m", batch, SilentProgress())
        server.instead["batch"] = [Reply(401)] * len(batches)
        collect_unasked(lake, models, ["m"], [], progress)
    [said] = progress.messages
    assert said.startswith("m|b1 and 2 more: model `m`: the Batch API of the endpoint")


def test_a_log_of_batches_that_cannot_be_read_hides_no_other(lake: Lake, prompts: Prompts) -> None:
    prompts(2)
    with serve_batches(BatchServer()) as server:
        run(lake, models_at(server))
    log = journal_path(lake.root, "gone", BATCH).with_suffix(".batches")
    log.parent.mkdir(parents=True)
    log.write_text("garbage\n")
    bad, good = outstanding_batches(lake.root)
    assert isinstance(bad, SteerworksError)
    assert f"{log}:1" in str(bad)
    assert isinstance(good, OutstandingBatch)
    assert good.requests == 2


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


def test_a_provider_that_cannot_be_reached_is_asked_another_time(
    lake: Lake, prompts: Prompts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dagster_project.generation.batches.desk.TRIES", 1)
    prompts(2)
    with serve_models(Behaviour()) as server:
        models = models_at(server)
        run(lake, models)
    assert cells_with_ended_batches(lake.root, models) == {}
    with pytest.raises(SteerworksError, match="cannot be reached"):
        run(lake, models)


def settled(lake: Lake) -> list[str]:
    """The hashes in the cell's journal."""
    return [answer.request_hash for answer in read_answers(journal_path(lake.root, "m", BATCH))]


def collected(lake: Lake, models: ModelsFile) -> tuple[CellReport, list[str]]:
    """What a run reports and says."""
    progress = Recorder()
    return answer_cell(lake, models, "m", BATCH, progress), progress.messages


def spoilt(entries: list[Body]) -> bytes:
    """A file in which most is wrong that can be; the first two and the last request of ten are answered."""
    good, fault = entries[:2], entries[2:8]
    long = answered({**entries[9], "body": {"messages": [{"content": "long " * 1_000_000}]}})
    lines = [
        answered(good[0]),
        b"this is not JSON\n",
        b'["neither", "is this"]\n',
        b'{"custom_id": "of-nobody", "response": {"status_code": 200, "body": {}}, "error": null}\n',
        answered(fault[0], 429, error={"message": "slow down"}),
        answered(fault[1], 500, error={"message": "broken"}),
        json.dumps({"custom_id": fault[2]["custom_id"], "response": {"status_code": "many"}}).encode() + b"\n",
        json.dumps({"custom_id": fault[3]["custom_id"], "response": "fine"}).encode() + b"\n",
        json.dumps({"custom_id": fault[4]["custom_id"], "response": {"status_code": 1e400, "body": 1}}).encode()
        + b"\n",
        json.dumps({"custom_id": 7, "response": {"status_code": 200, "body": "\ud83d"}}).encode() + b"\n",
        b"[" * 100_000 + b"\n",
        b"\xff\xfe{}\n",
        b"\n",
        answered(good[1], 429, error={"message": "slow down"}),
        answered(good[1]),
        answered(good[1]),
        answered(fault[5], choices="\ud83d"),
        long,
        answered(entries[8])[:-40],
    ]
    return b"".join(lines)


def test_a_line_that_cannot_be_read_costs_its_request_a_later_try_and_nothing_else(
    lake: Lake, prompts: Prompts
) -> None:
    prompts(10)
    with serve_batches(BatchServer(output=spoilt)) as server:
        models = models_at(server)
        run(lake, models)
        server.output = all_answered
        report, messages = collected(lake, models)
        assert (report.ok, report.asked, report.sent) == (3, 3, 7)
        assert run(lake, models).ok == 10
        assert set(server.handed_in.values()) == {1, 2}
    odd, left = messages
    assert "lines 2, 3, 4, 7, 8 and 5 more of the file output-of-batch_0" in odd
    assert "batch batch_0 (completed) left requests without an answer, to ask again: no line 4, " in left
    assert "http_429 1" in left
    assert len(settled(lake)) == len(set(settled(lake))) == 10


@pytest.mark.parametrize("status", ["completed", "expired", "cancelled"])
@pytest.mark.parametrize("output", [None, b""])
def test_a_batch_that_brings_only_errors_or_nothing_is_handed_in_again(
    lake: Lake, prompts: Prompts, status: str, output: bytes | None
) -> None:
    prompts(4)
    none = BatchServer(output=lambda _: output, errors=lambda entries: unanswered(entries[0]), status=status)
    with serve_batches(none) as server:
        models = models_at(server)
        run(lake, models)
        server.output, server.errors, server.status = all_answered, lambda _: None, "completed"
        report, messages = collected(lake, models)
        assert (report.ok, report.sent, report.failed) == (0, 4, {"batch_pending": 4})
        assert messages[0].endswith("to ask again: no line 3, batch_expired 1.")
        assert run(lake, models).ok == 4


def test_a_file_that_the_provider_no_longer_has_is_asked_for_again(lake: Lake, prompts: Prompts) -> None:
    prompts(2)
    with serve_batches(BatchServer()) as server:
        models = models_at(server)
        run(lake, models)
        del server.files["output-of-batch_0"]
        report, messages = collected(lake, models)
        assert report.sent == 2
        assert "the file output-of-batch_0 of the batch batch_0 is gone" in messages[0]
        assert run(lake, models).ok == 2


def test_a_batch_that_was_turned_down_is_an_error_with_the_providers_words(lake: Lake, prompts: Prompts) -> None:
    prompts(3)
    problem = {"code": "invalid_model", "message": f"no such model for {KEY}", "line": 1}
    with serve_batches(BatchServer(lambda _: None, status="failed", problems=[problem])) as server:
        models = models_at(server)
        run(lake, models)
        server.output, server.status, server.problems = all_answered, "completed", []
        with pytest.raises(SteerworksError, match=r"turned a batch down: batch batch_0: no such model for") as error:
            run(lake, models)
        assert "invalid_model" in str(error.value)
        run(lake, models)
        assert run(lake, models).ok == 3


def test_one_batch_that_was_turned_down_does_not_keep_the_others_back(lake: Lake, prompts: Prompts) -> None:
    prompts(4)
    with serve_batches(BatchServer()) as server:
        models = models_at(server, batch={"max_requests": 2})
        run(lake, models)
        server.batches["batch_0"]["status"] = "failed"
        server.batches["batch_0"]["output_file_id"] = None
        with pytest.raises(SteerworksError, match="turned a batch down"):
            run(lake, models)
        assert len(settled(lake)) == 2


def test_a_line_that_no_request_can_mend_is_an_error_and_what_was_answered_is_kept(
    lake: Lake, prompts: Prompts
) -> None:
    prompts(3)

    def two(entries: list[Body]) -> bytes:
        return all_answered(entries[:2]) + answered(entries[2], 404, error={"message": "no such model"})

    with serve_batches(BatchServer(two)) as server:
        models = models_at(server)
        run(lake, models)
        with pytest.raises(SteerworksError, match=r"does not know this address or model \(status 404\).*no such model"):
            run(lake, models)
        assert len(settled(lake)) == 2


def test_a_key_that_the_provider_repeats_reaches_no_file_and_no_message(
    lake: Lake, prompts: Prompts, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts(6)
    monkeypatch.setenv("TEST_KEY", KEY)

    def repeated(entries: list[Body]) -> bytes:
        asked = zip(entries, CODES, strict=True)
        lines = [answered(entry, status, error={"message": f"for {KEY}"}) for entry, status in asked]
        return b"".join(lines) + b"garbage " + KEY.encode() + b"\n"

    said = Reply(500, f"broken for {KEY}".encode())
    words: list[str] = []
    with serve_batches(BatchServer(repeated, problems=[{"message": f"for {KEY}", "code": KEY}])) as server:
        models = models_at(server, {"api_key_env": "TEST_KEY"})
        for call in ("upload", "create", "batch", "content", "nothing"):
            server.instead[call] = [said]
            for _ in range(2):
                try:
                    words += collected(lake, models)[1]
                except SteerworksError as error:
                    words.append(str(error))
        server.status = "failed"
    assert "for ***" in " ".join(words)
    assert KEY not in " ".join(words)
    for file in lake.root.rglob("*"):
        assert not file.is_file() or KEY.encode() not in file.read_bytes()


CODES = (400, 422, 500, 401, 429, 413)


@pytest.mark.parametrize("keeps_marks", [True, False])
@pytest.mark.parametrize("newest_first", [True, False])
@pytest.mark.parametrize(
    "lost", [Reply(500), Reply(504), Reply(0), Reply(200), Reply(200, b"<html>"), Reply(200, b"{}")]
)
def test_a_batch_whose_receipt_is_lost_is_found_and_not_handed_in_again(
    lake: Lake, prompts: Prompts, lost: Reply, keeps_marks: bool, newest_first: bool
) -> None:
    prompts(3)
    with serve_batches(BatchServer(keeps_marks=keeps_marks, newest_first=newest_first)) as server:
        models = models_at(server)
        server.instead["create"] = [Reply(lost.status, lost.body, done=True)]
        with pytest.raises(SteerworksError, match=r"the Batch API of .*the batch arrived is not known: the"):
            run(lake, models)
        assert cells_with_ended_batches(lake.root, models)
        assert run(lake, models).ok == 3
        assert server.calls["create"] == 1


def test_a_batch_that_may_still_arrive_is_waited_for_before_it_is_handed_in_again(
    lake: Lake, prompts: Prompts, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts(3)
    with serve_batches(BatchServer()) as server:
        models = models_at(server)
        server.instead["create"] = [Reply(504)]
        with pytest.raises(SteerworksError, match="answers with status 504"):
            run(lake, models)
        report, messages = collected(lake, models)
        assert (report.sent, report.failed) == (0, {"batch_pending": 3})
        assert "it is not known yet whether a batch arrived" in messages[0]
        assert cells_with_ended_batches(lake.root, models) == {}
        monkeypatch.setattr("dagster_project.generation.batches.log.MAY_STILL_ARRIVE_SECONDS", 0)
        assert cells_with_ended_batches(lake.root, models)
        assert run(lake, models).sent == 3
        assert run(lake, models).ok == 3


@pytest.mark.parametrize("call", ["upload", "create"])
def test_a_batch_that_is_refused_gives_its_money_back_and_is_handed_in_by_the_next_run(
    lake: Lake, prompts: Prompts, call: str
) -> None:
    prompts(3)
    with serve_batches(BatchServer()) as server:
        models = models_at(server, prices=DEAR, max_usd=3.0)
        server.instead[call] = [Reply(400, b'{"error": {"message": "not like this"}}')]
        with pytest.raises(SteerworksError, match="not like this"):
            run(lake, models)
        assert run(lake, models).sent == 3
        assert set(server.handed_in.values()) == {1}


@pytest.mark.parametrize("call", ["upload", "create"])
def test_a_provider_that_takes_no_more_for_now_keeps_what_it_took(lake: Lake, prompts: Prompts, call: str) -> None:
    prompts(6)
    with serve_batches(BatchServer()) as server:
        models = models_at(server, batch={"max_requests": 2})
        full = b'{"error": {"message": "Enqueued token limit reached", "code": "token_limit_exceeded"}}'
        server.instead[call] = [Reply(429, full)]
        report, messages = collected(lake, models)
        assert (report.sent, report.failed) == (0, {"batch_no_room": 6})
        assert "it takes no more for now; a later run hands in the rest" in messages[0]
        report, messages = collected(lake, models)
        assert (report.sent, messages) == (6, [])
        assert run(lake, models).ok == 6
        assert set(server.handed_in.values()) == {1}


def test_a_provider_that_wants_to_be_paid_is_an_error(lake: Lake, prompts: Prompts) -> None:
    prompts(2)
    with serve_batches(BatchServer()) as server:
        models = models_at(server)
        server.instead["create"] = [Reply(429, b'{"error": {"message": "pay", "code": "insufficient_quota"}}')]
        with pytest.raises(SteerworksError, match="has no credit left for this key"):
            run(lake, models)


@pytest.mark.parametrize("said", [Reply(200), Reply(401), Reply(500)])
def test_what_is_out_is_not_asked_for_again_when_the_model_leaves_the_batch_mode(
    lake: Lake, prompts: Prompts, said: Reply
) -> None:
    prompts(3)
    with serve_batches(BatchServer(status="in_progress")) as server:
        run(lake, models_at(server))
        prompts(5)
        models = models_at(server, batch=None)
        server.instead["batch"] = [said]
        report, messages = collected(lake, models)
        assert (report.ok, report.failed) == (2, {"batch_pending": 3})
        assert "the Batch API of the endpoint" in messages[0]
        assert run(lake, models).ok == 2
        server.batches["batch_0"]["status"] = "completed"
        assert run(lake, models).ok == 5
        assert server.calls["chat"] == 2


def test_a_batch_that_is_gone_is_handed_in_again_and_its_money_stays_spent(lake: Lake, prompts: Prompts) -> None:
    prompts(2)
    with serve_batches(BatchServer()) as server:
        models = models_at(server, prices=DEAR, max_usd=4.5)
        run(lake, models)
        server.batches.clear()
        report, messages = collected(lake, models)
        assert (report.sent, report.spent_usd) == (2, 2.0)
        assert "the provider no longer knows the batch batch_0" in messages[0]
        assert run(lake, models).ok == 2


def test_a_batch_that_only_another_key_knows_is_not_handed_in_again(
    lake: Lake, prompts: Prompts, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts(2)
    monkeypatch.setenv("TEST_KEY", KEY)
    with serve_batches(BatchServer()) as server:
        models = models_at(server, {"api_key_env": "TEST_KEY"})
        run(lake, models)
        batches = dict(server.batches)
        server.batches.clear()
        monkeypatch.setenv("TEST_KEY", "another")
        with pytest.raises(SteerworksError, match="handed in at another address or with another key"):
            run(lake, models)
        server.instead |= {"batch": [Reply(404)], "list": [Reply(404)]}
        monkeypatch.setenv("TEST_KEY", KEY)
        with pytest.raises(SteerworksError, match="does not know this address or model"):
            run(lake, models)
        server.batches.update(batches)
        assert run(lake, models).ok == 2
        assert server.calls["create"] == 1


@pytest.mark.parametrize("odd", [b"", b"<html>", b"[1]", b"{}", b'{"id": 7}', b'"' + b"\xff" * 9])
@pytest.mark.parametrize("call", ["upload", "batch"])
def test_what_is_no_reply_of_a_batch_api_is_an_error_that_says_so(
    lake: Lake, prompts: Prompts, call: str, odd: bytes
) -> None:
    prompts(2)
    with serve_batches(BatchServer()) as server:
        models = models_at(server)
        server.instead[call] = [Reply(200, odd)]
        with pytest.raises(SteerworksError, match="says what is no reply of a Batch API"):
            [run(lake, models) for _ in range(2)]
        if call == "upload":
            run(lake, models)
        assert run(lake, models).ok == 2
        assert server.calls["create"] == 1


@pytest.mark.parametrize(("status", "lost"), [("completed", 3), ("expired", 2)])
def test_what_came_back_unreadable_counts_with_the_most_it_can_have_cost(
    lake: Lake, prompts: Prompts, status: str, lost: int
) -> None:
    """Of a completed batch all was worked on; of another, at most as much as there are lines."""
    prompts(4)

    def half(entries: list[Body]) -> bytes:
        return answered(entries[0]) + b"garbage\n" + answered(entries[2], choices="none")

    with serve_batches(BatchServer(half, status=status)) as server:
        models = models_at(server, prices=DEAR)
        run(lake, models)
        report = run(lake, models, Purse(0.0))
    assert report.spent_usd == pytest.approx(10 / 50 + lost)


@pytest.mark.parametrize("loss", ["file", "ids"])
def test_answers_that_were_paid_for_and_lost_count_so_that_the_limit_ends_the_asking(
    lake: Lake, prompts: Prompts, loss: str
) -> None:
    prompts(4)
    of_nobody = BatchServer(lambda entries: b"".join(answered(entry | {"custom_id": "of-nobody"}) for entry in entries))
    progress = Recorder()
    with serve_batches(of_nobody if loss == "ids" else BatchServer()) as server:
        models = models_at(server, prices=DEAR, max_usd=10.0)
        for _ in range(5):
            for file in [file for file in server.files if loss == "file" and file.startswith("output-of")]:
                del server.files[file]
            report = answer_cell(lake, models, "m", BATCH, progress)
        assert sum(server.handed_in.values()) == 10
    assert report.failed == {"budget": 4}
    assert [message for message in progress.messages if "They count as paid, with 4.0000 USD" in message]
    assert [message for message in progress.messages if "`max_usd` of model m, 10.0000 USD, is reached" in message]


def test_a_run_killed_while_it_collects_leaves_no_answer_twice_and_no_money_uncounted(
    lake: Lake, prompts: Prompts, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts(8)
    with serve_batches(BatchServer()) as server:
        models = models_at(server, prices=DEAR)
        run(lake, models)
        with monkeypatch.context() as patch:
            patch.setattr(BatchLog, "ended", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                run(lake, models)
        report = run(lake, models)
    assert (report.ok, report.cost_usd) == (8, pytest.approx(8 * 10 / 50))
    assert len(settled(lake)) == 8


def test_progress_counts_each_request_of_a_batch_once(lake: Lake, prompts: Prompts) -> None:
    prompts(5)
    progress = Recorder()
    with serve_batches(BatchServer()) as server:
        models = models_at(server)
        run(lake, models)
        report = answer_cell(lake, models, "m", BATCH, progress)
    assert (report.asked, report.reused) == (5, 0)
    assert max(done + failed for _, done, failed, _, _ in progress.updates) == 5


def test_requests_of_a_batch_that_were_lost_are_named(lake: Lake, prompts: Prompts) -> None:
    prompts(2)
    with serve_batches(BatchServer()) as server:
        models = models_at(server)
        run(lake, models)
        [path] = lake.root.rglob("*.requests")
        content = path.read_bytes()
        path.write_bytes(content[:-9])
        with pytest.raises(SteerworksError, match=r"\.requests: the requests of a batch that is out cannot be read"):
            run(lake, models)
        path.write_bytes(content)
        assert run(lake, models).ok == 2


def test_a_log_that_cannot_be_read_keeps_no_other_cell_from_being_looked_at(lake: Lake, prompts: Prompts) -> None:
    prompts(2)
    prompts(2, "b2", first=10)
    with serve_batches(BatchServer()) as server:
        models = models_at(server)
        run(lake, models)
        answer_cell(lake, models, "m", "b2", SilentProgress())
        BatchLog(journal_path(lake.root, "m", BATCH)).path.write_bytes(b"spoilt\n")
        assert set(cells_with_ended_batches(lake.root, models)) == {("m", BATCH), ("m", "b2")}
        with pytest.raises(SteerworksError, match="this line is not about a batch"):
            run(lake, models)


@pytest.mark.slow
@pytest.mark.parametrize("call", ["upload", "create", "batch", "content"])
@pytest.mark.parametrize("done", [True, False])
def test_a_kill_at_any_step_has_nothing_handed_in_twice_and_nothing_lost(
    lake: Lake, prompts: Prompts, monkeypatch: pytest.MonkeyPatch, call: str, done: bool
) -> None:
    monkeypatch.setattr("dagster_project.generation.batches.log.MAY_STILL_ARRIVE_SECONDS", 0)
    prompts(6)
    with serve_batches(BatchServer()) as server:
        models = models_at(server, prices=DEAR, max_usd=6.5)
        if call in ("batch", "content"):
            run(lake, models)
        server.hang_in, server.hang_after = call, done
        child = start_process(lake, models)
        until(server.hangs.is_set)
        child.kill()
        child.wait()
        server.let_go()
        for _ in range(2):
            report = run(lake, models)
        assert report.ok == 6
        assert set(server.handed_in.values()) == {1}
        assert len(settled(lake)) == 6
    assert not list(lake.root.rglob("*.requests"))


@pytest.mark.slow
def test_two_processes_at_once_hand_in_once(lake: Lake, prompts: Prompts) -> None:
    prompts(20)
    prompts(20, "b2")
    with serve_batches(BatchServer()) as server:
        models = models_at(server)
        children = [start_process(lake, models, "m", batch) for batch in (BATCH, "b2", BATCH)]
        assert [child.wait() for child in children] == [0, 0, 0]
        assert set(server.handed_in.values()) == {1}
        for _ in range(2):
            reports = [answer_cell(lake, models, "m", batch, SilentProgress()) for batch in (BATCH, "b2")]
        assert [report.ok for report in reports] == [20, 20]
        assert set(server.handed_in.values()) == {1}


def renamed(models: ModelsFile, slug: str | None = "renamed") -> ModelsFile:
    """The same file after `m` got another slug, or None; its twin `n` is gone."""
    spec = models.models["m"]
    other = {"other": spec.model_copy(update={"name": "other-model", "batch": None})}
    return models.model_copy(update={"models": other | ({slug: spec} if slug else {})})


def test_a_model_that_is_renamed_while_a_batch_is_out_has_its_answers(lake: Lake, prompts: Prompts) -> None:
    prompts(5)
    progress = Recorder()
    with serve_batches(BatchServer()) as server:
        models = models_at(server, prices=DEAR)
        server.status = "in_progress"
        run(lake, models)
        still_out = answer_cell(lake, renamed(models), "renamed", BATCH, progress)
        assert cells_with_ended_batches(lake.root, renamed(models)) == {}
        assert estimate(lake, renamed(models), [("renamed", BATCH)])[0].requests == 0
        server.batches["batch_0"]["status"] = "completed"
        assert list(cells_with_ended_batches(lake.root, renamed(models))) == [("renamed", BATCH)]
        report = answer_cell(lake, renamed(models), "renamed", BATCH, progress, Purse(0.0))
        assert set(server.handed_in.values()) == {1}
    assert still_out.failed == {"batch_pending": 5}
    assert (report.ok, report.sent, report.spent_usd) == (5, 0, 0.0)
    assert set(lake.read("responses", {"model": "renamed"})["model"]) == {"renamed"}
    assert progress.messages == [
        "models.yaml no longer has the model `m`: 5 requests that were handed in for b1 are out in batches still.",
        "models.yaml no longer has the model `m`: what was handed in for b1 has been collected, and answers whoever "
        "asks the same.",
    ]
    cost = sum(answer.cost_usd for answer in read_answers(journal_path(lake.root, "m", BATCH)))
    assert Ledger(lake.root, "model-m", None, None, lambda: (0.0, 0.0)).spent_usd[1] == pytest.approx(cost)


def test_what_is_out_for_a_model_that_is_gone_is_collected_by_another_of_its_endpoint(
    lake: Lake, prompts: Prompts
) -> None:
    prompts(3)
    with serve_batches(BatchServer()) as server:
        models = models_at(server)
        run(lake, models)
        without = renamed(models, None)
        assert list(cells_with_ended_batches(lake.root, without)) == [("other", BATCH)]
        assert answer_cell(lake, without, "other", BATCH, SilentProgress()).ok == 3
        assert cells_with_ended_batches(lake.root, without) == {}
        assert run(lake, models).ok == 3
        assert set(server.handed_in.values()) == {1}


def test_a_provider_that_is_away_keeps_no_cell_back_for_what_a_model_that_is_gone_left(
    lake: Lake, prompts: Prompts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dagster_project.generation.batches.desk.TRIES", 1)
    prompts(3)
    progress = Recorder()
    with serve_models(Behaviour()) as server:
        models = models_at(server)
        run(lake, models)
        server.behave(Behaviour(api_key="another"))
        with pytest.raises(SteerworksError, match="model `other`"):
            answer_cell(lake, renamed(models, None), "other", BATCH, progress)
        server.behave(Behaviour())
        assert answer_cell(lake, renamed(models, None), "other", BATCH, progress).ok == 3
    assert "what was handed in for b1 could not be collected. model `m`: the Batch API" in progress.messages[0]


def test_progress_says_how_much_is_out(lake: Lake, prompts: Prompts) -> None:
    prompts(5)
    told: list[CellProgress] = []
    progress = Recorder()
    progress.update = told.append  # type: ignore[method-assign]
    with serve_models(Behaviour(batch_seconds=60)) as server:
        models = models_at(server, prices=DEAR)
        answer_cell(lake, models, "m", BATCH, progress, Purse(3.0))
        answer_cell(lake, models, "m", BATCH, progress, Purse(0.0))
        # The twin asks the same.
        answer_cell(lake, models, "n", BATCH, progress, Purse(0.0))
    ends = [(each.model, each.done, each.failed, each.in_batches, each.out_of_money) for each in told if each.is_over]
    assert ends[-3:] == [("m", 0, 2, 3, 2), ("m", 0, 2, 3, 2), ("n", 0, 2, 3, 2)]
