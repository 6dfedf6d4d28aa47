"""One bad request never stops a batch; an endpoint that cannot answer stops its model with one clear message."""

from __future__ import annotations

import errno
import os
import re
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from dagster_project.errors import SteerworksError
from dagster_project.generation import Purse, SilentProgress, answer_cell, asking
from dagster_project.generation.asking import MOST_GIVEN_UP, MOST_TRIES, WAITING_PER_PLACE
from dagster_project.generation.journal import journal_path, read_answers
from dagster_project.lake import Lake
from dagster_project.loopback.models import Behaviour, serve_models
from tests.generation.cells import BATCH, Recorder, loopback_models, until, write_prompts

Prompts = Callable[..., list[str]]
KEY = "sk-secret-key-that-must-not-leak-0123456789"


def reasons(lake: Lake) -> dict[str, str | None]:
    rows = lake.read("responses", {"model": "m", "prompt_batch": BATCH})
    return dict(rows.select("request_hash", "reason").iter_rows())


def test_storms_of_faults_end_with_every_answer(lake: Lake, prompts: Prompts) -> None:
    prompts(100)
    storm = Behaviour(p429=0.2, retry_after=0.1, p500=0.1, p_truncated=0.05, p_reset=0.05)
    with serve_models(storm) as server:
        report = answer_cell(lake, loopback_models(server.address), "m", BATCH, SilentProgress())
        statuses = server.stats()["statuses"]
    assert report.ok == 100
    assert {"429", "500", "truncated", "reset"} <= set(statuses)
    assert statuses["200"] == 100
    assert report.sent == sum(statuses.values())


def test_what_was_answered_before_a_model_stopped_is_told_to_the_last(lake: Lake, prompts: Prompts) -> None:
    prompts(400)
    progress = Recorder()
    with serve_models(Behaviour(latency=0.02)) as server, ThreadPoolExecutor(1) as pool:
        models = loopback_models(server.address, {"max_in_flight": 4})
        asking = pool.submit(answer_cell, lake, models, "m", BATCH, progress)
        until(lambda: server.stats()["requests"] > 40)
        server.behave(Behaviour(down_model="simulated-model"))
        with pytest.raises(SteerworksError, match="name its key's variable by `api_key_env`"):
            asking.result(timeout=30)
    answers = list(read_answers(journal_path(lake.root, "m", BATCH)))
    assert progress.updates[-1][:4] == ("m", len(answers), 0, 400)


def test_a_cap_on_requests_a_second_loses_nothing(lake: Lake, prompts: Prompts) -> None:
    prompts(80)
    with serve_models(Behaviour(requests_per_second=40, retry_after=0.5)) as server:
        assert answer_cell(lake, loopback_models(server.address), "m", BATCH, SilentProgress()).ok == 80
        assert server.stats()["statuses"]["429"] > 0


def test_a_long_wait_for_another_try_is_said(lake: Lake, prompts: Prompts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "LONG_WAIT_SECONDS", 0.2)
    prompts(3)
    progress = Recorder()
    with serve_models(Behaviour(p429=0.7, retry_after=0.4)) as server:
        assert answer_cell(lake, loopback_models(server.address), "m", BATCH, progress).ok == 3
    assert any(re.fullmatch(r"model `m`: waiting 0 s before .* can be sent again", text) for text in progress.messages)


def test_refused_prompts_are_tried_once_and_leave_the_others_alone(lake: Lake, prompts: Prompts) -> None:
    prompts(60)
    with serve_models(Behaviour(p400=0.1)) as server:
        models = loopback_models(server.address)
        report = answer_cell(lake, models, "m", BATCH, SilentProgress())
        refused = server.stats()["statuses"]["400"]
        assert report.failed == {"http_400": refused}
        assert report.ok == 60 - refused
        bytes_then = lake.content_hash("responses")
        again = answer_cell(lake, models, "m", BATCH, SilentProgress())
        assert (again.asked, server.stats()["requests"]) == (0, 60)
    assert lake.content_hash("responses") == bytes_then
    failures = [a for a in read_answers(journal_path(lake.root, "m", BATCH)) if a.status == "failed"]
    assert all(a.attempts == 1 and a.detail and "refused on purpose" in a.detail for a in failures)


def test_empty_answers_and_prompts_that_are_too_long_have_their_own_reasons(lake: Lake) -> None:
    write_prompts(lake, [f"short {n}" for n in range(20)] + ["long " * 100])
    with serve_models(Behaviour(p_empty=0.2, max_prompt_chars=200)) as server:
        report = answer_cell(lake, loopback_models(server.address), "m", BATCH, SilentProgress())
    assert report.failed["context_overflow"] == 1
    assert report.failed["empty_answer"] >= 1
    assert report.ok + sum(report.failed.values()) == 21


def test_a_request_whose_tries_are_used_up_fails_and_the_next_run_asks_again(
    lake: Lake, prompts: Prompts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dagster_project.generation.asking.FIRST_BACKOFF_SECONDS", 0.01)
    prompts(3)
    with serve_models(Behaviour(p500=1)) as server:
        broken = answer_cell(lake, loopback_models(server.address), "m", BATCH, SilentProgress())
        assert server.stats()["requests"] == 3 * MOST_TRIES
    assert broken.failed == {"http_500": 3}
    with serve_models() as server:
        mended = answer_cell(lake, loopback_models(server.address), "m", BATCH, SilentProgress())
    assert (mended.asked, mended.ok, mended.failed) == (3, 3, {})


def test_an_endpoint_that_only_errs_is_given_up_before_every_prompt_has_tried_it(
    lake: Lake, prompts: Prompts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dagster_project.generation.asking.FIRST_BACKOFF_SECONDS", 0.001)
    prompts(2000)
    with serve_models(Behaviour(p500=1)) as server:
        models = loopback_models(server.address, {"max_in_flight": 8})
        with pytest.raises(
            SteerworksError, match=r"answered none of the last 50 requests.*http_500: broken on purpose"
        ):
            answer_cell(lake, models, "m", BATCH, SilentProgress())
        assert server.stats()["distinct"] <= MOST_GIVEN_UP + WAITING_PER_PLACE * 8 + 8


def test_a_slow_answer_is_a_timeout_and_is_asked_for_again(lake: Lake, prompts: Prompts) -> None:
    prompts(12)
    with serve_models(Behaviour(p_slow=0.2, slow_seconds=3)) as server:
        report = answer_cell(
            lake, loopback_models(server.address, {"timeout_seconds": 0.5}), "m", BATCH, SilentProgress()
        )
    assert report.ok == 12
    assert report.sent > 12


def test_usage_that_the_server_leaves_out_is_null_and_costs_the_most_that_it_may_be(
    lake: Lake, prompts: Prompts
) -> None:
    prompts(4)
    prices = {"input_usd_per_million": 0, "output_usd_per_million": 1_000_000 / 50}  # at most 1 USD an answer
    with serve_models(Behaviour(usage=False)) as server:
        models = loopback_models(server.address, prices=prices)
        report = answer_cell(lake, models, "m", BATCH, SilentProgress(), Purse(2.0))
    rows = lake.read("responses").sort("status", descending=True)
    assert rows["prompt_tokens"].to_list() == [None] * 4
    assert rows["cost_usd"].to_list() == [1.0, 1.0, 0.0, 0.0]
    assert (report.ok, report.failed) == (2, {"budget": 2})


def test_a_request_that_is_turned_away_costs_nothing(lake: Lake, prompts: Prompts) -> None:
    prompts(2)
    with serve_models(Behaviour(p400=1)) as server:
        models = loopback_models(
            server.address, prices={"input_usd_per_million": 0, "output_usd_per_million": 1_000_000 / 50}
        )
        assert answer_cell(lake, models, "m", BATCH, SilentProgress()).cost_usd == 0


@pytest.mark.slow
def test_an_endpoint_that_is_down_is_named_quickly_and_what_was_answered_is_kept(lake: Lake, prompts: Prompts) -> None:
    prompts(5)
    with serve_models() as server:
        models = loopback_models(server.address)
        answer_cell(lake, models, "m", BATCH, SilentProgress())
    prompts(30)
    start = time.monotonic()
    with pytest.raises(SteerworksError) as error:
        answer_cell(lake, models, "m", BATCH, SilentProgress())
    assert time.monotonic() - start < 10
    assert f"endpoint `loopback` at {server.address}" in str(error.value)
    assert "Start the server, or mend its `base_url` in models.yaml" in str(error.value)
    with serve_models(port=server.port) as server:
        assert answer_cell(lake, models, "m", BATCH, SilentProgress()).asked == 25


def test_a_reply_that_is_always_cut_fails_its_request_and_not_the_model(
    lake: Lake, prompts: Prompts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dagster_project.generation.asking.FIRST_BACKOFF_SECONDS", 0.01)
    prompts(1)
    with serve_models(Behaviour(p_drop=1)) as server:
        report = answer_cell(lake, loopback_models(server.address), "m", BATCH, SilentProgress())
        assert server.stats()["requests"] == MOST_TRIES
    assert sum(report.failed.values()) == 1


@pytest.mark.slow
def test_a_server_that_hears_and_never_answers_is_down_too(lake: Lake, prompts: Prompts) -> None:
    prompts(4)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        models = loopback_models(f"http://127.0.0.1:{mute.getsockname()[1]}/v1", {"timeout_seconds": 0.3})
        with pytest.raises(SteerworksError, match=r"no reply, 3 times in a row \(timeout"):
            answer_cell(lake, models, "m", BATCH, SilentProgress())


def test_a_wrong_key_stops_the_model_at_once_and_leaks_nowhere(
    lake: Lake, prompts: Prompts, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts(50)
    monkeypatch.setenv("TEST_KEY", KEY)
    with serve_models(Behaviour(api_key="another", latency=0.05)) as server:
        models = loopback_models(server.address, {"api_key_env": "TEST_KEY", "max_in_flight": 4})
        with pytest.raises(SteerworksError, match="does not accept the key") as error:
            answer_cell(lake, models, "m", BATCH, SilentProgress())
        assert server.stats()["requests"] <= 4
    assert "Incorrect API key provided: ***" in str(error.value)
    assert KEY not in repr(error.getrepr(style="long"))
    for file in lake.root.rglob("*"):
        assert not file.is_file() or KEY.encode() not in file.read_bytes()


class Odd(BaseHTTPRequestHandler):
    """Says each of some things once, then answers with status 201."""

    says: ClassVar[list[tuple[int, bytes]]] = []

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        good = b'{"choices":[{"message":{"content":"yes"},"finish_reason":"stop"}]}'
        status, body = self.says.pop(0) if self.says else (201, good)
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the library's
        """Say nothing."""


@pytest.mark.parametrize("said", [(204, b""), (200, b""), (202, b""), (202, b'{"status": "queued"}'), (206, b"[{")])
def test_any_success_with_a_good_body_is_an_answer_and_without_one_is_tried_again(
    lake: Lake, prompts: Prompts, said: tuple[int, bytes]
) -> None:
    prompts(2)
    Odd.says = [said, said]
    with ThreadingHTTPServer(("127.0.0.1", 0), Odd) as server:
        threading.Thread(target=server.serve_forever).start()
        models = loopback_models(f"http://127.0.0.1:{server.server_port}/v1", {"max_in_flight": 1})
        report = answer_cell(lake, models, "m", BATCH, SilentProgress())
        server.shutdown()
    assert (report.ok, report.sent) == (2, 4)


class Repeater(BaseHTTPRequestHandler):
    """Sends elsewhere, to an address that holds the key that it was sent."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(307)
        self.send_header("Location", f"http://elsewhere.example/?token={self.headers['Authorization']}")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the library's
        """Say nothing."""


def test_a_redirection_that_repeats_the_key_leaks_nothing(
    lake: Lake, prompts: Prompts, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts(2)
    monkeypatch.setenv("TEST_KEY", KEY)
    with ThreadingHTTPServer(("127.0.0.1", 0), Repeater) as server:
        threading.Thread(target=server.serve_forever).start()
        models = loopback_models(f"http://127.0.0.1:{server.server_port}/v1", {"api_key_env": "TEST_KEY"})
        with pytest.raises(SteerworksError, match=r"sends elsewhere, to .*\*\*\*") as error:
            answer_cell(lake, models, "m", BATCH, SilentProgress())
        server.shutdown()
    assert KEY not in str(error.value)


def test_an_unknown_address_stops_the_model_at_once(lake: Lake, prompts: Prompts) -> None:
    prompts(3)
    with serve_models() as server:
        models = loopback_models(server.address.replace("/v1", "/v2"))
        with pytest.raises(SteerworksError, match=r"does not know this address or model \(status 404\)"):
            answer_cell(lake, models, "m", BATCH, SilentProgress())


def test_a_missing_key_is_an_error_that_names_its_variable(lake: Lake, prompts: Prompts) -> None:
    prompts(1)
    models = loopback_models("http://127.0.0.1:9/v1", {"api_key_env": "NO_SUCH_KEY_HERE"})
    with pytest.raises(SteerworksError, match=r"NO_SUCH_KEY_HERE, which is not set"):
        answer_cell(lake, models, "m", BATCH, SilentProgress())


def test_only_what_models_yaml_says_is_sent_to_an_endpoint(
    lake: Lake, prompts: Prompts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client would take OPENAI_API_KEY from the environment, and the server would tell it to us."""
    prompts(1)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with serve_models(Behaviour(api_key="another")) as server:
        with pytest.raises(SteerworksError, match="provided: "):
            answer_cell(lake, loopback_models(server.address), "m", BATCH, SilentProgress())
        right = loopback_models(server.address, {"headers": {"Authorization": "Bearer another"}})
        assert answer_cell(lake, right, "m", BATCH, SilentProgress()).ok == 1


def test_requests_per_minute_are_kept(lake: Lake, prompts: Prompts) -> None:
    prompts(10)
    with serve_models() as server:
        models = loopback_models(server.address, {"requests_per_minute": 600})
        assert answer_cell(lake, models, "m", BATCH, SilentProgress()).seconds >= 0.8


def test_a_disk_that_fails_stops_the_model_before_the_next_request(
    lake: Lake, prompts: Prompts, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts(2)
    fsync = os.fsync

    def broken(file: int) -> None:
        if Path(f"/proc/self/fd/{file}").readlink().suffix == ".jsonl":
            raise OSError(errno.EIO, "Input/output error")
        fsync(file)

    monkeypatch.setattr(os, "fsync", broken)
    with serve_models() as server:
        models = loopback_models(server.address, {"requests_per_minute": 6})
        with pytest.raises(SteerworksError, match=r"the journal cannot be written \(Input/output error\)"):
            answer_cell(lake, models, "m", BATCH, SilentProgress())
        assert server.stats()["requests"] == 1
        monkeypatch.undo()
        assert answer_cell(lake, loopback_models(server.address), "m", BATCH, SilentProgress()).reused == 1


def test_no_more_than_the_allowed_requests_are_in_flight(lake: Lake, prompts: Prompts) -> None:
    prompts(40)
    with serve_models(Behaviour(latency=0.02)) as server:
        answer_cell(lake, loopback_models(server.address, {"max_in_flight": 3}), "m", BATCH, SilentProgress())
        assert server.stats()["max_in_flight"] == 3


def test_a_proxy_of_the_environment_is_used_unless_the_address_is_exempt(
    lake: Lake, prompts: Prompts, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts(2)
    with serve_models() as proxy, serve_models() as server:
        monkeypatch.setenv("http_proxy", proxy.address.removesuffix("/v1"))
        monkeypatch.setenv("no_proxy", "")
        answer_cell(lake, loopback_models("http://models.invalid/v1"), "m", BATCH, SilentProgress())
        assert proxy.stats()["requests"] == 2
        monkeypatch.setenv("http_proxy", proxy.address.removesuffix("/v1").removeprefix("http://"))
        answer_cell(lake, loopback_models("http://models.invalid/v1", revision="3"), "m", BATCH, SilentProgress())
        assert proxy.stats()["requests"] == 4
        monkeypatch.setenv("http_proxy", "socks5://127.0.0.1:1")
        with pytest.raises(SteerworksError, match=r"http_proxy .* names a proxy that is none of HTTP"):
            answer_cell(lake, loopback_models("http://models.invalid/v1", revision="4"), "m", BATCH, SilentProgress())
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        answer_cell(lake, loopback_models(server.address, revision="2"), "m", BATCH, SilentProgress())
        assert server.stats()["requests"] == 2


@pytest.mark.slow
def test_what_the_servers_headers_say_of_its_limits_is_kept_to(lake: Lake, prompts: Prompts) -> None:
    prompts(80)
    with serve_models(Behaviour(requests_per_second=40, burst=20, rate_headers=True, latency=0.05)) as server:
        report = answer_cell(lake, loopback_models(server.address), "m", BATCH, SilentProgress())
        turned_away = server.stats()["statuses"].get("429", 0)
    assert report.ok == 80
    assert turned_away <= 15
    assert report.seconds < 4
