"""Pseudo-scores: a grade where JSON is asked for, and the log-probability of each token of an echoed prompt."""

from __future__ import annotations

import json

import openai
import pytest

from dagster_project.loopback.models import Behaviour, serve_models
from tests.loopback.talking import talk

TASK = 'Answer with JSON only: {"complexity": N}, N from 1 to 5.'


@pytest.mark.parametrize(("words", "grade"), [(1, 1), (8, 1), (16, 2), (40, 3), (64, 4), (500, 5)])
def test_a_grade_that_is_asked_for_in_json_grows_with_the_length_of_the_text(words: int, grade: int) -> None:
    messages = [{"role": "system", "content": TASK}, {"role": "user", "content": "word " * words}]
    with serve_models() as server:
        heard = talk(server, "/v1/chat/completions", {"model": "j", "messages": messages})
    assert json.loads(heard.body["choices"][0]["message"]["content"]) == {"complexity": grade}


def test_an_echo_has_the_log_probability_of_each_token_and_where_it_stands() -> None:
    prompt = "User: rivers\n\nAssistant: rivers run\n\nUser: run where"
    with serve_models() as server, openai.OpenAI(base_url=server.address, api_key="k", max_retries=0) as client:
        reply = client.completions.create(model="c", prompt=prompt, max_tokens=1, echo=True, logprobs=1)
    choice = reply.choices[0]
    assert choice.logprobs is not None
    assert choice.logprobs.tokens is not None
    assert "".join(choice.logprobs.tokens) == choice.text == f"{prompt} simulated"
    by_token = dict(zip(choice.logprobs.tokens, choice.logprobs.token_logprobs or [], strict=True))
    assert by_token["User:"] is None, "nothing stands before the first"
    assert by_token[" run"] > by_token[" where"]
    offsets = choice.logprobs.text_offset or []
    pairs = zip(offsets, choice.logprobs.tokens, strict=True)
    assert all(choice.text[offset:].startswith(token) for offset, token in pairs)


@pytest.mark.parametrize("how", [{}, {"echo": True}, {"logprobs": 1}])
def test_what_is_not_asked_for_is_not_given(how: dict[str, object]) -> None:
    with serve_models(Behaviour(logprobs="echo" not in how)) as server:
        heard = talk(server, "/v1/completions", {"model": "c", "prompt": "Say on", **how})
        wrong = talk(server, "/v1/completions", {"model": "c", "prompt": ["a", "b"]})
    choice = heard.body["choices"][0]
    assert choice["text"].startswith("Say on") == ("echo" in how)
    assert (choice["logprobs"] is not None) == ("logprobs" in how)
    assert wrong.status == 400
