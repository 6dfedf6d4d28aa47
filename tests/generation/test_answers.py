"""Whatever a model says is read back from the journal's line as it was written, and nothing else is taken for one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagster_project.generation.answers import Answer, AnswersOf
from dagster_project.generation.replies import Answered, Refused, read_answer
from dagster_project.generation.requests import Request, RequestForm
from tests.generation.cells import BATCH, loopback_models

MODELS = loopback_models("http://127.0.0.1:9/v1", prices={"input_usd_per_million": 1, "output_usd_per_million": 2})
FORM = RequestForm(MODELS, "m")
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


def request() -> Request:
    return FORM.request(BATCH, "p-1", [{"role": "user", "content": "Why?"}])


def line(**edited: Any) -> bytes:
    """The line of an answer, with some fields edited."""
    answered = Answered("Because.", "stop")
    fields = AnswersOf(FORM.spec).settled(request(), answered, attempts=1, seconds=0.25)._asdict()
    return json.dumps(fields | edited, separators=(",", ":")).encode() + b"\n"


@given(content=VALUES, reasoning=VALUES, finish_reason=VALUES, counts=st.lists(VALUES, min_size=2, max_size=2))
def test_what_any_reply_became_is_read_back(
    content: Any, reasoning: Any, finish_reason: Any, counts: list[Any]
) -> None:
    message = {"content": content, "reasoning_content": reasoning}
    usage = {"prompt_tokens": counts[0], "completion_tokens": counts[1]}
    choice = {"message": message, "finish_reason": finish_reason}
    outcome = read_answer(json.dumps({"choices": [choice], "usage": usage}).encode())
    if isinstance(outcome, Answered | Refused):
        answer = AnswersOf(FORM.spec).settled(request(), outcome, attempts=1, seconds=0.25)
        assert Answer.from_line(answer.line()) == answer


@pytest.mark.parametrize(
    ("edited", "told"),
    [
        ({"request_hash": "of another tool"}, "`request_hash`: String should match"),
        ({"status": "maybe"}, "`status`: Input should be 'ok' or 'failed'"),
        ({"response": None}, "`response`: Input should be a string where the status is `ok`"),
        ({"response": 5}, "`response`: Input should be a valid string"),
        ({"outputs_may_train": "false"}, "`outputs_may_train`: Input should be a valid boolean"),
        ({"prompt_tokens": True}, "`prompt_tokens`: Input should be a valid integer"),
        ({"completion_tokens": 3_000_000_000}, "`completion_tokens`: Input should be less than 2147483648"),
        ({"attempts": 70_000}, "`attempts`: Input should be less than 32768"),
        ({"cost_usd": None}, "`cost_usd`: Input should be a valid number"),
        ({"cost_usd": -5.0}, "`cost_usd`: Input should be greater than or equal to 0"),
        ({"cost_usd": float("nan")}, "`cost_usd`: Input should be a finite number"),
        ({"cost_usd": float("inf")}, "`cost_usd`: Input should be a finite number"),
        ({"answered_at": None}, "`answered_at`: Input should be a time with its offset"),
        ({"answered_at": "yesterday"}, "`answered_at`: Input should be a time with its offset"),
        ({"answered_at": "2026-01-01T00:00:00"}, "`answered_at`: Input should be a time with its offset"),
        ({"colour": "red"}, "`colour`: "),
    ],
)
def test_a_line_that_was_edited_is_no_answer_and_the_field_is_named(edited: dict[str, Any], told: str) -> None:
    assert Answer.from_line(line()).response == "Because."
    with pytest.raises(ValueError, match="^" + told):
        Answer.from_line(line(**edited))


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (b"\0" * 500, "Invalid JSON"),
        (json.dumps(list(json.loads(line()).values())).encode(), "it does not begin with `request_hash`"),
        (line()[:-9], "Invalid JSON"),
        (line().replace(b":", b": ", 1), "it does not begin with `request_hash`, as Steerworks writes it"),
    ],
)
def test_what_is_no_line_of_ours_is_no_answer(other: bytes, told: str) -> None:
    with pytest.raises(ValueError, match="^" + told):
        Answer.from_line(other)


def test_why_a_line_is_no_answer_tells_nothing_of_what_it_holds() -> None:
    for edited in ({"attempts": "a secret"}, {"status": "a secret"}, {"answered_at": "a secret"}):
        with pytest.raises(ValueError, match="Input should") as raised:
            Answer.from_line(line(**edited))
        assert "secret" not in str(raised.value)
