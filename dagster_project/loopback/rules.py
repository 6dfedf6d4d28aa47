"""What a request is answered with, whichever way it came: by HTTP, or as a line of a batch.

Belongs here: answers and errors that depend on the request and the behaviour alone, as JSON. Does not belong here:
time, caps, connections.
"""

from __future__ import annotations

import json
import time
from typing import Any, NamedTuple

from dagster_project.identity import digest
from dagster_project.loopback.behaviour import Behaviour
from dagster_project.loopback.counters import Body
from dagster_project.loopback.embeddings import embedding_reply
from dagster_project.loopback.scores import grade_in_json, logprobs_of

MODELS = ("simulated-model", "simulated-model-small", "simulated-model-large")
"""What the list of models names; any other name is answered too."""
CHAT = "/v1/chat/completions"
COMPLETIONS = "/v1/completions"
EMBEDDINGS = "/v1/embeddings"
_PROMPT_FIELDS = {CHAT: "messages", COMPLETIONS: "prompt", EMBEDDINGS: "input"}
ENDPOINTS = tuple(_PROMPT_FIELDS)
_WORDS_OF_ANSWER = 12


class Asked(NamedTuple):
    """A well-formed request; ``prompt`` is its messages or its input, ``digest`` that of the whole body."""

    endpoint: str
    body: Body
    model: str
    prompt: Any
    digest: str


class Said(NamedTuple):
    """A status and a JSON body."""

    status: int
    body: Body


def read_request(endpoint: str, body: Any) -> Asked | Said:
    """Return the request, or the error that it is none."""
    field = _PROMPT_FIELDS[endpoint]
    if not isinstance(body, dict):
        return error(400, "the body is no JSON object", "invalid_request_error")
    model, prompt = body.get("model"), body.get(field)
    if not isinstance(model, str) or not model:
        return error(400, "you must provide a model parameter", "missing_required_parameter", param="model")
    if not _well_formed(endpoint, prompt):
        return error(400, f"`{field}` is missing or malformed", "missing_required_parameter", param=field)
    return Asked(endpoint, body, model, prompt, digest(body))


def error(status: int, message: str, code: str, kind: str = "invalid_request_error", param: str | None = None) -> Said:
    """Return an error in the shape that OpenAI gives errors."""
    return Said(status, {"error": {"message": message, "type": kind, "param": param, "code": code}})


def refused(behaviour: Behaviour, asked: Asked) -> Said | None:
    """What no further try can mend."""
    if asked.model == behaviour.down_model:
        message = f"The model `{asked.model}` does not exist or you do not have access to it."
        return error(404, message, "model_not_found")
    longest = behaviour.max_prompt_chars
    if longest is not None and sum(map(len, _texts(asked))) > longest:
        return error(400, "the prompt exceeds the maximum context length", "context_length_exceeded")
    if _prompt_meets(behaviour, "400", behaviour.p400, asked):
        return error(400, "this prompt is refused on purpose", "invalid_request_error")
    return None


def broken(behaviour: Behaviour, asked: Asked, number: int) -> Said | None:
    """What goes wrong inside the server with this try, and perhaps not with the next."""
    if behaviour.drawn("500", behaviour.p500, asked.digest, number):
        return error(500, "broken on purpose", "server_error", "server_error")
    if behaviour.drawn("503", behaviour.p503, asked.digest, number):
        return error(503, "overloaded on purpose", "overloaded", "server_error")
    return None


def answer(behaviour: Behaviour, asked: Asked) -> Body:
    """Return the reply to a request that is granted."""
    if asked.endpoint == EMBEDDINGS:
        return embedding_reply(asked.body, _tokens(asked), behaviour.usage)
    if asked.endpoint == COMPLETIONS:
        return _continuation(behaviour, asked)
    return _completion(behaviour, asked)


def tokens_of(behaviour: Behaviour, asked: Asked) -> int:
    """Return the tokens of the prompt and of its answer."""
    if asked.endpoint != CHAT:
        return _tokens(asked)
    text, _ = _text_and_end(behaviour, asked)
    return _tokens(asked) + len(text.split()) + len(_reasoning(behaviour, asked).split())


def answer_to(body: Body) -> str:
    """Return the answer to a request: it says that it is simulated, and depends on the whole body."""
    return _text(body["messages"], digest(body))


def _completion(behaviour: Behaviour, asked: Asked) -> Body:
    text, finish_reason = _text_and_end(behaviour, asked)
    message = {"role": "assistant", "content": text}
    reply: Body = {
        "id": f"chatcmpl-{asked.digest[:20]}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": asked.model,
        "choices": [{"index": 0, "message": message, "finish_reason": finish_reason}],
    }
    reasoning = _reasoning(behaviour, asked)
    if reasoning:
        message["reasoning_content"] = reasoning
    if behaviour.usage:
        reply["usage"] = _usage(_tokens(asked), len(text.split()), len(reasoning.split()))
    return reply


def _continuation(behaviour: Behaviour, asked: Asked) -> Body:
    """Return the prompt, if it is to be echoed, and one more word; with log-probabilities if they are asked for."""
    text = f"{asked.prompt if asked.body.get('echo') else ''} simulated"
    choice: Body = {"index": 0, "text": text, "finish_reason": "length", "logprobs": None}
    if asked.body.get("logprobs") and behaviour.logprobs:
        choice["logprobs"] = logprobs_of(text)
    reply: Body = {
        "id": f"cmpl-{asked.digest[:20]}",
        "object": "text_completion",
        "created": int(time.time()),
        "model": asked.model,
        "choices": [choice],
    }
    return reply | ({"usage": _usage(_tokens(asked), 1, 0)} if behaviour.usage else {})


def _usage(prompt: int, answer_: int, reasoning: int) -> Body:
    """Reasoning counts as part of the completion, as at OpenAI."""
    completion = answer_ + reasoning
    usage: Body = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    if reasoning:
        usage["completion_tokens_details"] = {"reasoning_tokens": reasoning}
    return usage


def _text_and_end(behaviour: Behaviour, asked: Asked) -> tuple[str, str]:
    """Return the text of an answer and its finish_reason."""
    if _prompt_meets(behaviour, "content_filter", behaviour.p_content_filter, asked):
        return "", "content_filter"
    if _prompt_meets(behaviour, "empty", behaviour.p_empty, asked):
        return "", "stop"
    text = _text(asked.prompt, asked.digest)
    if _prompt_meets(behaviour, "length", behaviour.p_length, asked):
        return text[: len(text) // 2], "length"
    return text, "stop"


def _text(messages: list[Body], asked: str) -> str:
    if grade := grade_in_json([_content(turn) for turn in messages]):
        return grade
    words = _content(messages[-1]).split(maxsplit=_WORDS_OF_ANSWER)[:_WORDS_OF_ANSWER]
    return f"This answer is simulated (no model wrote it; request {asked[:12]}). You asked: {' '.join(words)}"


def _reasoning(behaviour: Behaviour, asked: Asked) -> str:
    return f"Simulated reasoning about request {asked.digest[:12]}." if behaviour.reasoning else ""


def _prompt_meets(behaviour: Behaviour, fault: str, share: float, asked: Asked) -> bool:
    # The digest is worth its time only where there is a share to draw.
    return share > 0 and behaviour.drawn(fault, share, digest(asked.prompt))


def _tokens(asked: Asked) -> int:
    return sum(len(text.split()) for text in _texts(asked))


def _texts(asked: Asked) -> list[str]:
    if asked.endpoint == CHAT:
        return [_content(turn) for turn in asked.prompt]
    return [asked.prompt] if isinstance(asked.prompt, str) else asked.prompt


def _content(turn: Body) -> str:
    """The text of a turn; parts that are no text become JSON."""
    content = turn.get("content") or ""
    return content if isinstance(content, str) else json.dumps(content)


def _well_formed(endpoint: str, prompt: Any) -> bool:
    if endpoint != CHAT and isinstance(prompt, str):
        return True
    if endpoint == COMPLETIONS:
        return False
    item = dict if endpoint == CHAT else str
    return isinstance(prompt, list) and bool(prompt) and all(isinstance(one, item) for one in prompt)
