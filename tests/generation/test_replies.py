"""What servers say, in all their dialects, is read into the outcome that fits."""

from __future__ import annotations

import json
from array import array
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagster_project.generation.replies import (
    Answered,
    Dead,
    Fault,
    Refused,
    Usage,
    packed,
    read_answer,
    read_embedding,
    read_status,
    unpacked,
)


def reply(content: Any = "Because.", **rest: Any) -> bytes:
    choice = {"message": {"role": "assistant", "content": content}, "finish_reason": rest.pop("finish_reason", "stop")}
    return json.dumps({"choices": [choice], **rest}).encode()


def test_an_answer_with_its_usage() -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 2}
    assert read_answer(reply(usage=usage)) == Answered("Because.", "stop", Usage(3, 2))


def test_usage_that_is_counted_in_floating_point_is_usage() -> None:
    usage = {"prompt_tokens": 3.0, "completion_tokens": 2.0}
    assert read_answer(reply(usage=usage)) == Answered("Because.", "stop", Usage(3, 2))


@pytest.mark.parametrize("count", ["many", -1, 2.5, float("nan"), float("inf"), 10**400, True, [3]])
def test_a_count_that_makes_no_sense_is_null(count: Any) -> None:
    assert read_answer(reply(usage={"prompt_tokens": count, "completion_tokens": 2})) == Answered(
        "Because.", "stop", Usage(None, 2)
    )


@pytest.mark.parametrize(
    "usage", [{}, {"usage": None}, {"usage": {}}, {"usage": {"prompt_tokens": "many"}}, {"usage": [3, 2]}]
)
def test_usage_that_is_left_out_or_odd_is_null(usage: dict[str, Any]) -> None:
    assert read_answer(reply(**usage)) == Answered("Because.", "stop")


def test_an_answer_cut_at_its_length_is_an_answer() -> None:
    assert read_answer(reply(finish_reason="length")) == Answered("Because.", "length")


def test_half_an_emoji_becomes_a_replacement_character_that_files_take() -> None:
    body = b'{"choices": [{"message": {"content": "Well \\ud83d"}, "finish_reason": "length"}]}'
    assert read_answer(body) == Answered("Well \ufffd", "length")


def test_half_an_emoji_in_the_finish_reason_stops_nothing() -> None:
    body = b'{"choices": [{"message": {"content": "Well"}, "finish_reason": "st\\ud83d"}]}'
    assert read_answer(body) == Answered("Well", "st\ufffd")


def test_an_answer_in_parts_is_the_text_of_its_parts() -> None:
    parts = [{"type": "thinking", "thinking": []}, {"type": "text", "text": "Be"}, {"type": "text", "text": "cause."}]
    assert read_answer(reply(parts)) == Answered("Because.", "stop")


@pytest.mark.parametrize("content", [None, "", " \n", [], [{"type": "image_url"}, 1]])
def test_nothing_is_no_answer(content: Any) -> None:
    assert read_answer(reply(content)) == Refused("empty_answer", "", "stop")


def test_a_refusal_in_place_of_an_answer_is_kept_as_the_servers_own_words() -> None:
    message = {"role": "assistant", "content": None, "refusal": "I cannot help with that \ud83d"}
    body = json.dumps({"choices": [{"message": message, "finish_reason": "stop"}]}).encode()
    assert read_answer(body) == Refused("empty_answer", "I cannot help with that \ufffd", "stop")


@pytest.mark.parametrize("finish_reason", ["error", "abort"])
def test_an_answer_that_the_server_broke_off_is_worth_another_try(finish_reason: str) -> None:
    body = reply("Becau", finish_reason=finish_reason)
    assert read_answer(body) == Fault("broken_off", body.decode(), may_cost=True)


def test_a_filtered_answer_has_its_own_reason() -> None:
    assert read_answer(reply("Be", finish_reason="content_filter")) == Refused("content_filter", "", "content_filter")


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b'{"choices": [', b"[]", b"{}", b'{"choices": []}', b'{"choices": [1]}']
)
def test_what_is_no_reply_is_worth_another_try(body: bytes) -> None:
    assert read_answer(body) == Fault("bad_json", body.decode(), may_cost=True)


def test_json_nested_too_deep_to_read_stops_nothing() -> None:
    deep = b"[" * 200_000
    assert isinstance(read_answer(deep), Fault)
    assert isinstance(read_status(400, deep, {}), Refused)


def test_an_error_said_with_status_200_counts_as_what_it_is() -> None:
    def said(code: Any) -> bytes:
        return json.dumps({"error": {"code": code, "message": "no"}}).encode()

    assert read_answer(said(400)) == Refused("http_400", "no | 400", unpaid=True)
    assert read_answer(said(429)) == Fault("http_429", "no | 429", turned_away=True)
    assert isinstance(read_answer(said(401)), Dead)
    assert read_answer(said("503")) == Fault("http_503", "no | 503", turned_away=True)
    assert read_answer(said("odd")) == Fault("error_reply", "no | odd", may_cost=True)


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


@pytest.mark.parametrize("status", [101, 408, 409, 425, 429, 500, 502, 503, 504, 529])
def test_what_may_pass_is_worth_another_try(status: int) -> None:
    turned_away = status in (429, 503, 529)
    assert read_status(status, b"", {"retry-after": "2"}) == Fault(f"http_{status}", "", 2.0, turned_away=turned_away)


@pytest.mark.parametrize("status", [401, 402, 403, 404])
def test_what_no_try_can_mend_concerns_the_whole_model(status: int) -> None:
    assert isinstance(read_status(status, b"no", {}), Dead)


def test_a_used_up_quota_is_not_a_matter_of_pace() -> None:
    assert isinstance(read_status(429, b'{"error": {"code": "insufficient_quota", "message": "pay"}}', {}), Dead)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirection_is_told_and_not_followed(status: int) -> None:
    """The key is for the configured address alone."""
    outcome = read_status(status, b"", {"location": "https://elsewhere.example/v1"})
    assert isinstance(outcome, Dead)
    assert "https://elsewhere.example/v1" in outcome.problem


def test_an_address_that_is_no_text_can_be_told_all_the_same() -> None:
    outcome = read_status(307, b"", {"location": "http://elsewhere/\udcff"})
    assert isinstance(outcome, Dead)
    assert outcome.problem.encode()


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "The prompt triggered content management policy"),
        (403, "The model requires moderation and your input was flagged"),
    ],
)
def test_a_prompt_that_a_filter_stops_has_its_own_reason(status: int, message: str) -> None:
    outcome = read_status(status, json.dumps({"error": {"code": status, "message": message}}).encode(), {})
    assert isinstance(outcome, Refused)
    assert outcome.reason == "content_filter"


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_and_its_tokens_are_kept_apart(field: str) -> None:
    message = {"role": "assistant", "content": "Four.", field: "Two and two …"}
    usage = {"prompt_tokens": 5, "completion_tokens": 9, "completion_tokens_details": {"reasoning_tokens": 7}}
    body = json.dumps({"choices": [{"message": message, "finish_reason": "stop"}], "usage": usage}).encode()
    assert read_answer(body) == Answered("Four.", "stop", Usage(5, 9, 7), "Two and two …")


@pytest.mark.parametrize("error", ["busy", {"message": "busy"}, {"message": "busy", "code": True}, {"code": 1e999}])
def test_an_error_within_a_reply_that_has_no_status_is_worth_another_try(error: object) -> None:
    outcome = read_answer(json.dumps({"error": error}).encode())
    assert isinstance(outcome, Fault)
    assert outcome.reason == "error_reply"


def test_reasoning_within_the_answer_is_taken_out_of_it() -> None:
    assert read_answer(reply("<think>\nTwo and two …\n</think>\n\nFour.")) == Answered(
        "Four.", "stop", reasoning="Two and two …"
    )


def test_a_model_that_never_comes_to_its_answer_is_told_from_one_that_has_none() -> None:
    assert read_answer(reply("<think>and </think>", finish_reason="length")) == Refused("length", "", "length")
    assert read_answer(reply(None, finish_reason="length")) == Refused("length", "", "length")


def embedding(vector: Any, **rest: Any) -> bytes:
    return json.dumps({"data": [{"index": 0, "embedding": vector}], **rest}).encode()


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
def test_a_vector_is_read_whole_as_numbers_and_in_base64(numbers: list[float]) -> None:
    plain, encoded = (read_embedding(embedding(each)) for each in (numbers, packed(array("f", numbers))))
    assert plain == encoded
    assert isinstance(plain, Answered)
    assert list(unpacked(plain.text)) == numbers


def test_an_embedding_costs_what_was_read_and_nothing_written() -> None:
    outcome = read_embedding(embedding([0.5], usage={"prompt_tokens": 7, "total_tokens": 7}))
    assert outcome == Answered(packed(array("f", [0.5])), None, Usage(7, 0))


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (embedding([]), Refused),
        (embedding([0.5, float("nan")]), Refused),
        (embedding(None), Fault),
        (embedding("not base64!"), Fault),
        (embedding("abc="), Fault),
        (b'{"data": []}', Fault),
        (b"<html>", Fault),
        (b'{"error": {"message": "no", "code": 401}}', Dead),
    ],
)
def test_what_is_no_vector_is_a_fault_or_final(body: bytes, kind: type) -> None:
    assert isinstance(read_embedding(body), kind)
