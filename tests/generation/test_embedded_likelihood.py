"""The embedded model says how likely a user's turn is, though its server gives no log-probabilities of a prompt."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean
from typing import Any

import pytest

from dagster_project.generation import Purse, SilentProgress, complete_conversations, completion
from dagster_project.generation.completion_ranking import Candidate, best_of, likelihood_request
from dagster_project.generation.embedded import EmbeddedServer, embedded_server
from dagster_project.generation.embedded_likelihood import read_written
from dagster_project.generation.endpoints import connect
from dagster_project.generation.replies import Answered, Fault, Outcome, Refused
from dagster_project.generation.requests import Message
from dagster_project.lake import Lake
from dagster_project.settings import Completion, ModelsFile, Settings
from tests.generation.cells import BATCH

MODEL = "smollm2-135m-plain"
ASKED: list[Message] = [
    {"role": "user", "content": "What is the capital of France?"},
    {"role": "assistant", "content": "The capital of France is Paris."},
]
NEXT = "And of Spain?"


async def score(models: ModelsFile, *turns: str) -> list[Outcome]:
    async with connect(models, MODEL) as connection:
        requests = [likelihood_request(models, MODEL, BATCH, "p", ASKED, turn) for turn in turns]
        return [(await connection.send(request))[0] for request in requests]


def post(server: EmbeddedServer, path: str, body: dict[str, Any]) -> Any:
    url = server.base_url.removesuffix("v1") + path
    headers = {"Authorization": f"Bearer {server.api_key}", "Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)  # noqa: S310 - the embedded server's
    with urllib.request.urlopen(request) as reply:  # noqa: S310
        return json.load(reply)


def likelihood_step_by_step(server: EmbeddedServer, before: str, turn: str) -> float:
    """The same from what the model would write next, of its whole vocabulary, one token at a time."""
    start = len(post(server, "tokenize", {"content": before})["tokens"])
    tokens = post(server, "tokenize", {"content": before + turn})["tokens"]
    found = []
    for end, _ in pairwise(range(start, len(tokens) + 1)):
        asked = {"prompt": tokens[:end], "max_tokens": 1, "temperature": 0, "logprobs": 50_000}
        [written] = post(server, "v1/completions", asked)["choices"][0]["logprobs"]["content"]
        found.append(next(one["logprob"] for one in written["top_logprobs"] if one["id"] == tokens[end]))
    return fmean(found)


@pytest.mark.slow
def test_it_is_the_mean_over_the_turns_tokens_and_a_fitting_turn_is_likelier(settings: Settings) -> None:
    models = settings.models
    fitting, strange = asyncio.run(score(models, NEXT, "Zebra carpet spoon."))
    assert isinstance(fitting, Answered)
    assert isinstance(strange, Answered)
    assert float(strange.text) < float(fitting.text) < 0
    request = likelihood_request(models, MODEL, BATCH, "p", ASKED, NEXT)
    before = request.body["prompt"][: request.scored_from]
    expected = likelihood_step_by_step(embedded_server(2), before, f" {NEXT}")
    assert float(fitting.text) == pytest.approx(expected, abs=0.05)


@pytest.mark.slow
def test_turns_in_between_are_ranked_by_it_and_asked_for_once(
    lake: Lake, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    ranked: list[Sequence[Candidate]] = []

    def best_of_seen(candidates: Sequence[Candidate], earlier: Sequence[Message]) -> int:
        ranked.append(candidates)
        return best_of(candidates, earlier)

    monkeypatch.setattr(completion, "best_of", best_of_seen)
    content = settings.models.model_dump()
    content["models"][MODEL]["sampling"] |= {"max_tokens": 8, "temperature": 1.0}
    models, rules = ModelsFile.model_validate(content), Completion(candidates=3, likelihood_model=MODEL)
    conversations = {"p": [{"role": "user", "content": "Tell me of rivers."}, {"role": "user", "content": "Go on."}]}
    done = complete_conversations(lake, models, MODEL, BATCH, conversations, SilentProgress(), Purse(), rules)
    assert [turn["role"] for turn in done["p"].messages or []] == ["user", "assistant", "user"]
    [candidates] = ranked
    assert all(candidate.likelihood is not None and candidate.likelihood < 0 for candidate in candidates)
    assert len({candidate.likelihood for candidate in candidates}) > 1
    again = complete_conversations(lake, models, MODEL, BATCH, conversations, SilentProgress(), Purse(), rules)
    assert again == done


def reply(*tokens: int) -> bytes:
    content = [{"id": token, "token": "x", "logprob": -float(token)} for token in tokens]
    usage = {"prompt_tokens": 9, "completion_tokens": len(tokens)}
    return json.dumps({"choices": [{"logprobs": {"content": content}}], "usage": usage}).encode()


def test_what_was_written_counts_only_if_it_is_the_text() -> None:
    outcome = read_written(reply(1, 2, 3), [1, 2, 3])
    assert isinstance(outcome, Answered)
    assert float(outcome.text) == -2.0
    assert isinstance(read_written(reply(1, 2), [1, 2, 3]), Refused)
    assert isinstance(read_written(reply(1, 9, 3), [1, 2, 3]), Refused)
    assert isinstance(read_written(b"{}", [1]), Fault)
