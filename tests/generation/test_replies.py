"""What servers say, in all their dialects, is read into the outcome that fits."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dagster_project.generation.replies import Answered, Dead, Fault, Refused, read_answer, read_status


def reply(content: Any = "Because.", **rest: Any) -> bytes:
    choice = {"message": {"role": "assistant", "content": content}, "finish_reason": rest.pop("finish_reason", "stop")}
    return json.dumps({"choices": [choice], **rest}).encode()


def test_an_answer_with_its_usage() -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 2}
    assert read_answer(reply(usage=usage)) == Answered("Because.", "stop", 3, 2)


@pytest.mark.parametrize("usage", [{}, {"usage": None}, {"usage": {}}, {"usage": {"prompt_tokens": "many"}}])
def test_usage_that_is_left_out_or_odd_is_null(usage: dict[str, Any]) -> None:
    assert read_answer(reply(**usage)) == Answered("Because.", "stop", None, None)


def test_an_answer_cut_at_its_length_is_an_answer() -> None:
    assert read_answer(reply(finish_reason="length")) == Answered("Because.", "length", None, None)


def test_half_an_emoji_becomes_a_replacement_character_that_files_take() -> None:
    body = b'{"choices": [{"message": {"content": "Well \\ud83d"}, "finish_reason": "length"}]}'
    assert read_answer(body) == Answered("Well \ufffd", "length", None, None)


@pytest.mark.parametrize("content", [None, "", " \n"])
def test_nothing_is_no_answer(content: str | None) -> None:
    assert read_answer(reply(content)) == Refused("empty_answer", "", "stop")


def test_a_filtered_answer_has_its_own_reason() -> None:
    assert read_answer(reply("Be", finish_reason="content_filter")) == Refused("content_filter", "", "content_filter")


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b'{"choices": [', b"[]", b"{}", b'{"choices": []}', b'{"choices": [1]}']
)
def test_what_is_no_reply_is_worth_another_try(body: bytes) -> None:
    assert read_answer(body) == Fault("bad_json")


@pytest.mark.parametrize(
    "body",
    [
        b'{"error": {"code": "context_length_exceeded", "message": "too long"}}',
        b'{"error": {"code": 400, "type": "exceed_context_size_error", "message": "exceeds the context size"}}',
        b'{"object": "error", "message": "This model\'s maximum context length is 8192 tokens."}',
    ],
)
def test_a_prompt_that_does_not_fit_is_known_by_its_servers_words(body: bytes) -> None:
    outcome = read_status(400, body, {})
    assert isinstance(outcome, Refused)
    assert outcome.reason == "context_overflow"


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504, 529])
def test_what_may_pass_is_worth_another_try(status: int) -> None:
    assert read_status(status, b"", {"retry-after": "2"}) == Fault(f"http_{status}", "", 2.0)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "inf"}, None),
    ],
)
def test_retry_after_is_read_where_it_makes_sense(headers: dict[str, str], seconds: float | None) -> None:
    assert read_status(429, b"", headers) == Fault("http_429", "", seconds)


@pytest.mark.parametrize("status", [401, 402, 403, 404])
def test_what_no_try_can_mend_concerns_the_whole_model(status: int) -> None:
    assert isinstance(read_status(status, b"no", {}), Dead)


def test_a_used_up_quota_is_not_a_matter_of_pace() -> None:
    assert isinstance(read_status(429, b'{"error": {"code": "insufficient_quota", "message": "pay"}}', {}), Dead)
