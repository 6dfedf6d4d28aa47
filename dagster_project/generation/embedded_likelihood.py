"""How likely a text is to the embedded model, whose server gives no log-probabilities of a prompt.

It gives those of what it writes, as the model has them before any sampling. So the server is made to write the text: a
grammar lets it choose no token but the text's next one. What comes back are the log-probabilities of exactly these
tokens after exactly this prompt.

Belongs here: the two requests to llama.cpp's server that take the place of one with ``echo``, and reading the reply.
Does not belong here: sending them (`endpoints`), and what they are for (`completion_ranking`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from dagster_project.generation.replies import Answered, Fault, Outcome, Refused, Usage
from dagster_project.generation.requests import Request

TOKENIZE = "tokenize"
MOST_TOKENS = 256
"""Of a long text the first so many count: each is a step of the model, and takes as long as one of an answer."""


def tokenize_body(request: Request) -> dict[str, Any]:
    """Return the question for the tokens of the text that is scored, as the request's prompt has it at its end."""
    return {"content": request.body["prompt"][request.scored_from :], "add_special": False}


def read_tokens(body: bytes) -> list[int]:
    """Read the reply to `tokenize_body`; no tokens where it is none."""
    try:
        tokens = json.loads(body)["tokens"]
    except (ValueError, LookupError, TypeError):
        return []
    return [token for token in tokens if isinstance(token, int)][:MOST_TOKENS]


def writing_body(request: Request, tokens: Sequence[int]) -> dict[str, Any]:
    """Return the request that has the server write these tokens after what stands before the scored text."""
    return {
        "model": request.body["model"],
        "prompt": request.body["prompt"][: request.scored_from],
        "max_tokens": len(tokens),
        "temperature": 0,
        "logprobs": 1,
        "grammar": "root ::= " + " ".join(f"<[{token}]>" for token in tokens),
    }


def read_written(body: bytes, tokens: Sequence[int]) -> Outcome:
    """Read the reply to `writing_body`: as text, the mean log-probability of a token."""
    try:
        reply = json.loads(body)
        written = reply["choices"][0]["logprobs"]["content"]
        counted = [float(one["logprob"]) for one in written]
        is_whole = [one["id"] for one in written] == list(tokens)
        usage = Usage(reply["usage"]["prompt_tokens"], reply["usage"]["completion_tokens"], None)
    except (ValueError, LookupError, TypeError, AttributeError):
        return Fault("bad_json", body[:200].decode("utf-8", "replace"), may_cost=False)
    if not counted or not is_whole:
        return Refused("no_logprobs", "", None, usage)
    return Answered(repr(sum(counted) / len(counted)), None, usage)
