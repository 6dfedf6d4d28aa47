"""One plain request to the rehearsal server, without a client that mends anything."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any, NamedTuple

from dagster_project.loopback.models import LoopbackModels


class Heard(NamedTuple):
    """A reply; the body is None if it is no JSON."""

    status: int
    headers: Mapping[str, str]
    text: str
    body: Any


def chat_body(text: str = "Why is the sky blue?", model: str = "simulated-model") -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": text}]}


def talk(server: LoopbackModels, path: str, body: Any = None, timeout: float = 10.0, **headers: str) -> Heard:
    """GET a path, or POST a body to it."""
    data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{server.port}{path}", data, headers)
    try:
        with urllib.request.urlopen(request, timeout=timeout) as reply:  # noqa: S310 - loopback
            return _heard(reply.status, reply.headers, reply.read())
    except urllib.error.HTTPError as error:
        return _heard(error.code, error.headers, error.read())


def ask(server: LoopbackModels, text: str = "Why is the sky blue?", model: str = "simulated-model") -> Heard:
    return talk(server, "/v1/chat/completions", chat_body(text, model))


def _heard(status: int, headers: Mapping[str, str], raw: bytes) -> Heard:
    text = raw.decode()
    try:
        return Heard(status, headers, text, json.loads(text))
    except ValueError:
        return Heard(status, headers, text, None)
