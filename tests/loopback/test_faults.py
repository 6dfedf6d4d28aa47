"""What the rehearsal server does to a client on purpose, and what it counts meanwhile."""

from __future__ import annotations

import http.client
import time
import urllib.error
from email.utils import parsedate_to_datetime

import pytest

from dagster_project.loopback.models import Behaviour, answer_to, serve_models
from tests.loopback.talking import ask, chat_body, talk


def test_an_answer_has_the_shape_of_a_chat_completion_and_depends_on_the_whole_body() -> None:
    with serve_models() as server:
        reply = ask(server).body
    choice = reply["choices"][0]
    assert (reply["object"], reply["model"]) == ("chat.completion", "simulated-model")
    assert (choice["message"], choice["finish_reason"]) == (
        {"role": "assistant", "content": answer_to(chat_body())},
        "stop",
    )
    assert reply["usage"]["prompt_tokens"] == 5
    assert reply["usage"]["total_tokens"] == 5 + reply["usage"]["completion_tokens"]


@pytest.mark.parametrize("body", [b"{", [], {"messages": []}, {"model": "m"}, {"model": "m", "messages": ["hello"]}])
def test_a_malformed_request_is_an_error_of_its_own(body: object) -> None:
    with serve_models() as server:
        heard = talk(server, "/v1/chat/completions", body)
    assert (heard.status, heard.body["error"]["type"]) == (400, "invalid_request_error")


@pytest.mark.parametrize(("share", "status"), [("p429", 429), ("p500", 500), ("p503", 503), ("p400", 400)])
def test_a_share_of_one_meets_every_try(share: str, status: int) -> None:
    with serve_models(Behaviour(**{share: 1.0})) as server:
        assert [ask(server).status for _ in range(2)] == [status, status]
        assert server.stats()["statuses"] == {str(status): 2}


def test_shares_of_tries_are_kept_about_and_drawn_anew_for_each_try() -> None:
    with serve_models(Behaviour(p503=0.3)) as server:
        statuses = [ask(server).status for _ in range(100)]
    assert 15 <= statuses.count(503) <= 45


def test_garbage_is_a_page_with_status_200() -> None:
    with serve_models(Behaviour(p_garbage=1)) as server:
        heard = ask(server)
        assert server.stats()["statuses"] == {"garbage": 1}
    assert (heard.status, heard.body) == (200, None)
    assert heard.text.startswith("<!DOCTYPE html>")
    assert heard.headers["Content-Type"].startswith("text/html")


def test_a_dropped_connection_breaks_off_in_the_middle_of_the_body() -> None:
    with serve_models(Behaviour(p_drop=1)) as server:
        with pytest.raises(http.client.IncompleteRead) as error:
            ask(server)
        assert server.stats()["statuses"] == {"drop": 1}
    assert error.value.partial.startswith(b'{"id": "chatcmpl-')


def test_a_reset_connection_says_nothing() -> None:
    with serve_models(Behaviour(p_reset=1)) as server:
        with pytest.raises((ConnectionError, urllib.error.URLError)):
            ask(server)
        assert server.stats()["statuses"] == {"reset": 1}


def test_a_try_that_hangs_ends_when_its_client_goes_away() -> None:
    with serve_models(Behaviour(p_hang=1)) as server:
        with pytest.raises(TimeoutError):
            talk(server, "/v1/chat/completions", chat_body(), timeout=0.2)
        deadline = time.monotonic() + 5
        while server.counters.in_flight and time.monotonic() < deadline:
            time.sleep(0.01)
        assert server.counters.in_flight == 0
        assert server.stats()["statuses"] == {"hang": 1}


def test_a_client_that_does_not_wait_for_the_latency_is_counted_as_gone() -> None:
    with serve_models(Behaviour(latency=30)) as server:
        with pytest.raises(TimeoutError):
            talk(server, "/v1/chat/completions", chat_body(), timeout=0.1)
        deadline = time.monotonic() + 5
        while not server.statuses and time.monotonic() < deadline:
            time.sleep(0.01)
        assert server.stats()["statuses"] == {"gone": 1}


def test_a_filtered_answer_is_withheld_and_a_long_one_stops_half_way() -> None:
    with serve_models(Behaviour(p_content_filter=1)) as server:
        filtered = ask(server).body["choices"][0]
    with serve_models(Behaviour(p_length=1)) as server:
        cut = ask(server).body
    whole = answer_to(chat_body())
    assert (filtered["message"]["content"], filtered["finish_reason"]) == ("", "content_filter")
    assert cut["choices"][0]["finish_reason"] == "length"
    assert whole.startswith(cut["choices"][0]["message"]["content"])
    assert 0 < cut["usage"]["completion_tokens"] < len(whole.split())


def test_shares_of_prompts_hold_for_every_try_of_a_prompt() -> None:
    with serve_models(Behaviour(p_content_filter=0.3)) as server:
        ends = [[ask(server, f"prompt {n}").body["choices"][0]["finish_reason"] for _ in range(3)] for n in range(30)]
    assert all(len(set(tries)) == 1 for tries in ends)
    assert {tries[0] for tries in ends} == {"stop", "content_filter"}


def test_reasoning_comes_with_its_tokens() -> None:
    with serve_models(Behaviour(reasoning=True)) as server:
        reply = ask(server).body
    message, usage = reply["choices"][0]["message"], reply["usage"]
    reasoning = len(message["reasoning_content"].split())
    assert usage["completion_tokens_details"]["reasoning_tokens"] == reasoning
    assert usage["completion_tokens"] == reasoning + len(message["content"].split())


def test_one_model_may_be_down_while_others_answer() -> None:
    with serve_models(Behaviour(down_model="gone-model")) as server:
        down, up = ask(server, model="gone-model"), ask(server)
        models = server.stats()["models"]
    assert (down.status, down.body["error"]["code"]) == (404, "model_not_found")
    assert up.status == 200
    assert models["gone-model"] == {"requests": 1, "distinct": 1, "statuses": {"404": 1}}


def test_retry_after_may_be_seconds_or_a_date() -> None:
    with serve_models(Behaviour(p429=1, retry_after=2.5)) as server:
        seconds = ask(server).headers["Retry-After"]
    before = time.time()
    with serve_models(Behaviour(p429=1, retry_after=30, retry_after_date=True)) as server:
        date = parsedate_to_datetime(ask(server).headers["Retry-After"]).timestamp()
    with serve_models(Behaviour(p429=1)) as server:
        assert "Retry-After" not in ask(server).headers
    assert seconds == "2.5"
    assert before + 30 <= date <= time.time() + 31


def test_counts_are_kept_by_model_and_can_be_reset() -> None:
    with serve_models(Behaviour(remember=True)) as server:
        for text in ("one", "two", "two"):
            ask(server, text, model="a")
        ask(server, "one", model="b")
        stats = talk(server, "/stats?seen=1").body
        assert stats["models"] == {
            "a": {"requests": 3, "distinct": 2, "statuses": {"200": 3}},
            "b": {"requests": 1, "distinct": 1, "statuses": {"200": 1}},
        }
        assert (stats["requests"], stats["distinct"], len(stats["seen"])) == (4, 3, 4)
        after = talk(server, "/reset", {}).body
        assert (after["requests"], after["distinct"], after["models"]) == (0, 0, {})
        assert server.seen == []


def test_the_behaviour_can_be_changed_in_mid_run() -> None:
    with serve_models() as server:
        assert ask(server).status == 200
        assert talk(server, "/behaviour", {"p503": 1.0}).body["p503"] == 1.0
        assert ask(server).status == 503
        assert server.behaviour.p503 == 1.0
        talk(server, "/behaviour", {"p503": 0})
        assert ask(server).status == 200


@pytest.mark.parametrize("changes", [{"p504": 1}, {"latency": "long"}, {"rate_window": "round"}, []])
def test_a_behaviour_that_there_is_not_changes_nothing(changes: object) -> None:
    with serve_models() as server:
        assert talk(server, "/behaviour", changes).status == 400
        assert server.behaviour == Behaviour()


def test_models_are_listed_for_those_who_have_the_key() -> None:
    with serve_models(Behaviour(api_key="k")) as server:
        names = [model["id"] for model in talk(server, "/v1/models", Authorization="Bearer k").body["data"]]
        assert "simulated-model" in names
        assert talk(server, "/v1/models").status == 401
        assert talk(server, "/v1/elsewhere").status == 404
