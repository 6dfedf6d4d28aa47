"""What an endpoint said, read into one of four outcomes.

`Answered` is an answer. `Refused` is a failure that no further try can mend, of this request
alone. `Fault` may be gone at the next try. `Dead` concerns every request to the model.

Belongs here: reading bodies, status codes and headers. Does not belong here: sending, waiting,
writing down.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

TRY_AGAIN = frozenset({408, 409, 425, 429})
DEAD = {
    401: "does not accept the key",
    402: "wants to be paid first",
    403: "does not permit this",
    404: "does not know this address or model",
}
DETAIL_CHARACTERS = 300
_CONTEXT = re.compile(
    r"context[ _](length|size|window)|maximum context|max_model_len|too many tokens|prompt is too long", re.IGNORECASE
)


@dataclass(frozen=True)
class Answered:
    """An answer; counts of tokens are None where the server leaves them out."""

    text: str
    finish_reason: str | None
    prompt_tokens: int | None
    completion_tokens: int | None


@dataclass(frozen=True)
class Refused:
    """No further try can mend this request. Tokens are paid for all the same, unless it was turned away ``unpaid``."""

    reason: str
    detail: str = ""
    finish_reason: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    unpaid: bool = False


@dataclass(frozen=True)
class Fault:
    """May be gone at the next try. ``replied`` is False if nothing was heard from the server at all."""

    reason: str
    detail: str = ""
    retry_after: float | None = None
    replied: bool = True


@dataclass(frozen=True)
class Dead:
    """No request to this model can succeed until somebody mends the cause."""

    problem: str
    detail: str = ""


Outcome = Answered | Refused | Fault | Dead


def read_answer(body: bytes) -> Outcome:
    """Read the body of a reply with status 200."""
    try:
        reply = json.loads(body)
        choice = reply["choices"][0]
        content = choice["message"].get("content")
        usage = reply.get("usage") or {}
        tokens = (_count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens")))
    except (ValueError, LookupError, TypeError, AttributeError):
        return Fault("bad_json")
    finish_reason = choice.get("finish_reason")
    finish_reason = finish_reason if isinstance(finish_reason, str) else None
    if finish_reason == "content_filter":
        return Refused("content_filter", "", finish_reason, *tokens)
    if not isinstance(content, str) or not content.strip():
        return Refused("empty_answer", "", finish_reason, *tokens)
    return Answered(_whole_characters(content), finish_reason, *tokens)


def read_status(status: int, body: bytes, headers: Mapping[str, str]) -> Outcome:
    """Read a reply whose status is an error; headers are looked up by their lower-case names."""
    detail = _detail(body)
    if status in DEAD:
        return Dead(f"{DEAD[status]} (status {status})", detail)
    if status == 429 and "insufficient_quota" in detail:
        return Dead("has no credit left for this key (status 429)", detail)
    if status in TRY_AGAIN or status >= 500:
        return Fault(f"http_{status}", detail, _retry_after(headers))
    if _CONTEXT.search(detail):
        return Refused("context_overflow", detail, unpaid=True)
    return Refused(f"http_{status}", detail, unpaid=True)


def _detail(body: bytes) -> str:
    """The server's own words, from the shapes that servers give errors."""
    text = body.decode("utf-8", "replace")
    try:
        error = json.loads(text)
    except ValueError:
        return text[:DETAIL_CHARACTERS]
    if isinstance(error, dict) and "error" in error:
        error = error["error"]
    if isinstance(error, dict):
        words = [str(error[key]) for key in ("message", "type", "code") if error.get(key)]
        text = _whole_characters(" | ".join(words)) or text
    return text[:DETAIL_CHARACTERS]


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the server asks for; dates, which few servers send, fall back on our own backoff."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name, "")) * unit
        except ValueError:
            continue
        if 0 <= seconds < float("inf"):
            return seconds
    return None


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and 0 <= value < 2**31 else None


def _whole_characters(text: str) -> str:
    """Replace halves of surrogate pairs; a server that stops inside an emoji sends them, and no file takes them."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
