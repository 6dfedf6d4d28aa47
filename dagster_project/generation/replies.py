"""What an endpoint said, read into one of four outcomes.

`Answered` is an answer. `Refused` is a failure that no further try can mend, of this request
alone. `Fault` may be gone at the next try. `Dead` concerns every request to the model.

Belongs here: reading bodies, status codes and headers. Does not belong here: sending, waiting,
writing down.
"""

from __future__ import annotations

import base64
import json
import math
import re
from array import array
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic_core import from_json

from dagster_project.generation.endpoint_secrets import Secrets
from dagster_project.generation.limits.rate_headers import read_retry_after

TRY_AGAIN = frozenset({408, 409, 425, 429})
TURNED_AWAY = frozenset({429, 503, 529})
"""Said of the load, not of the request: it may come more often than other faults."""
DEAD = {
    401: "does not accept the key",
    402: "wants to be paid first",
    403: "does not permit this",
    404: "does not know this address or model",
}
BROKEN_OFF = frozenset({"error", "abort"})
"""Finish reasons of servers that lost the model in mid-answer: what there is of the text is no answer."""
REDIRECTS = frozenset({301, 302, 303, 307, 308})
DETAIL_CHARACTERS = 300
LOOKED_THROUGH = 10 * DETAIL_CHARACTERS
"""Characters of a server's words that secrets are looked for in before they are cut: half a secret is hard to find."""
_CONTEXT = re.compile(
    r"context[ _](length|size|window)|maximum context|max_model_len|too many tokens|prompt is too long", re.IGNORECASE
)
_FILTERED = re.compile(r"content[ _](filter|management|policy)|moderation|safety system", re.IGNORECASE)
_THOUGHT = re.compile(r"\s*<think>(.*?)</think>\s*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the server counted them; None where it leaves them out. Reasoning is a part of completion."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    reasoning_tokens: int | None = None

    @property
    def total(self) -> int | None:
        """Tokens read and written; None if one of the two is unknown."""
        if self.prompt_tokens is None or self.completion_tokens is None:
            return None
        return self.prompt_tokens + self.completion_tokens


UNKNOWN_USAGE = Usage()


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer, and what the model thought before it, if the server tells."""

    text: str
    finish_reason: str | None
    usage: Usage = UNKNOWN_USAGE
    reasoning: str | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """No further try can mend this request. Tokens are paid for all the same, unless it was turned away ``unpaid``."""

    reason: str
    detail: str = ""
    finish_reason: str | None = None
    usage: Usage = UNKNOWN_USAGE
    unpaid: bool = False


@dataclass(frozen=True, slots=True)
class Fault:
    """May be gone at the next try.

    ``replied`` is False if nothing was heard from the server at all; ``may_cost`` says that the server may have
    worked on the request, and charge for it, all the same.
    """

    reason: str
    detail: str = ""
    retry_after: float | None = None
    replied: bool = True
    turned_away: bool = False
    may_cost: bool = False

    @property
    def connection_failed(self) -> bool:
        """Whether there was no connection, or it broke before a reply."""
        return self.reason == "connection" and not self.replied

    @property
    def never_sent(self) -> bool:
        """Whether there was no connection at all."""
        return self.connection_failed and not self.may_cost


@dataclass(frozen=True, slots=True)
class Dead:
    """No request to this model can succeed until somebody mends the cause."""

    problem: str
    detail: str = ""


Outcome = Answered | Refused | Fault | Dead


def read_reply(
    status: int,
    content: bytes,
    headers: Mapping[str, str],
    secrets: Secrets,
    read: Callable[[bytes], Outcome] | None = None,
) -> Outcome:
    """Read a reply of any status. Some servers repeat the key in it; no outcome holds it.

    Args:
        status: of HTTP.
        content: the body.
        headers: of the reply.
        secrets: that the request was sent with.
        read: reads the body of a reply that says it succeeded; `read_answer` if it is not given.
    """
    outcome = (read or read_answer)(content) if 200 <= status < 300 else read_status(status, content, headers)
    if isinstance(outcome, Answered):
        return _answer_without(secrets, outcome) if secrets.may_be_in(content) else outcome
    outcome = replace(outcome, detail=secrets.masked(outcome.detail)[:DETAIL_CHARACTERS])
    if isinstance(outcome, Dead):  # a redirection may repeat it in the address
        return replace(outcome, problem=secrets.masked(outcome.problem))
    if isinstance(outcome, Refused) and outcome.finish_reason:
        return replace(outcome, finish_reason=secrets.masked(outcome.finish_reason))
    return outcome


def _answer_without(secrets: Secrets, answer: Answered) -> Answered:
    return replace(
        answer,
        text=secrets.masked(answer.text),
        reasoning=answer.reasoning and secrets.masked(answer.reasoning),
        finish_reason=answer.finish_reason and secrets.masked(answer.finish_reason),
    )


def read_answer(body: bytes) -> Outcome:
    """Read the body of a reply that says it succeeded; an empty or a cut one may be whole at the next try."""
    try:
        reply = _read_json(body)
        if error := _error_within(reply, body):
            return error
        choice = reply["choices"][0]
        message = choice["message"]
        content = message.get("content")
        usage = _usage(reply.get("usage"))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return Fault("bad_json", _words(body), may_cost=True)
    finish_reason = choice.get("finish_reason")
    finish_reason = _whole_characters(finish_reason) if isinstance(finish_reason, str) else None
    if finish_reason == "content_filter":
        return Refused("content_filter", "", finish_reason, usage)
    if finish_reason in BROKEN_OFF:
        return Fault("broken_off", _words(body), may_cost=True)
    text, reasoning = _apart(content, message)
    if not text.strip():
        # A model that thinks too long never comes to its answer; more tokens may help, another try will not.
        reason = "length" if finish_reason == "length" else "empty_answer"
        return Refused(reason, _refusal(message), finish_reason, usage)
    return Answered(text, finish_reason, usage, reasoning)


def read_embedding(body: bytes) -> Outcome:
    """Read the body of a reply to a request for the embedding of one text: its numbers, as `packed` text."""
    try:
        reply = _read_json(body)
        if error := _error_within(reply, body):
            return error
        given = reply["data"][0]["embedding"]
        numbers = unpacked(given) if isinstance(given, str) else array("f", given)
        usage = _usage(reply.get("usage"))
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError):
        return Fault("bad_json", _words(body), may_cost=True)
    if not numbers or not all(map(math.isfinite, numbers)):
        return Refused("empty_answer", "", None, usage)
    return Answered(packed(numbers), None, replace(usage, completion_tokens=0))


def packed(numbers: array[float]) -> str:
    """Return 32-bit numbers as text: base64 of their little-endian bytes."""
    return base64.b64encode(numbers.tobytes()).decode()


def unpacked(text: str) -> array[float]:
    """Return the numbers that `packed` made a text of."""
    return array("f", base64.b64decode(text, validate=True))


def read_likelihood(body: bytes, start: int) -> Outcome:
    """Read the body of a reply that echoes the prompt with the log-probability of each of its tokens.

    Args:
        body: as `/v1/completions` gives it with ``echo`` and ``logprobs``.
        start: the character of the prompt from which tokens count. A token that begins before it counts not.

    Returns:
        As text, the mean log-probability of a token from there on, without what was written after the prompt.
    """
    try:
        reply = _read_json(body)
        if error := _error_within(reply, body):
            return error
        told = reply["choices"][0].get("logprobs")
        usage = _usage(reply.get("usage"))
        if not told or "token_logprobs" not in told:  # some servers give those of what they write, and no others
            return Refused("no_logprobs", "", None, usage)
        read = usage.prompt_tokens or len(told["token_logprobs"]) - 1
        pairs = list(zip(told["text_offset"], told["token_logprobs"], strict=True))[:read]
        counted = [float(value) for offset, value in pairs if offset >= start and value is not None]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return Fault("bad_json", _words(body), may_cost=True)
    if not counted:
        return Refused("no_logprobs", "", None, usage)
    return Answered(repr(sum(counted) / len(counted)), None, usage)


def _read_json(body: bytes) -> Any:
    """The quick parser takes no halves of surrogate pairs, the other one does.

    Raises:
        ValueError: it is no JSON.
        RecursionError: it is nested too deeply.
    """
    try:
        return from_json(body)
    except ValueError:
        return json.loads(body)


def _error_within(reply: Any, body: bytes) -> Outcome | None:
    """Some servers say 200, and tell of an error within: then its status counts, if it has one."""
    error = None if reply.get("choices") or reply.get("data") else reply.get("error")
    if not error:
        return None
    code = str(error.get("code")) if isinstance(error, dict) else ""
    if re.fullmatch("[45][0-9]{2}", code):
        return read_status(int(code), body, {})
    return Fault("error_reply", _detail(body), may_cost=True)


def _apart(content: Any, message: Mapping[str, Any]) -> tuple[str, str | None]:
    """Return the answer and the reasoning: some servers give them apart, others the one within the other."""
    text = _whole_characters(_text_of(content))
    told = next((message[key] for key in ("reasoning_content", "reasoning") if isinstance(message.get(key), str)), "")
    if not told and (thought := _THOUGHT.match(text)):
        return text[thought.end() :], thought[1].strip() or None
    return text, _whole_characters(told) or None


def _text_of(content: Any) -> str:
    """Some servers give the answer in parts, of which those of type `text` make it up."""
    if isinstance(content, list):
        parts = (part for part in content if isinstance(part, dict) and part.get("type") == "text")
        return "".join(str(part.get("text") or "") for part in parts)
    return content if isinstance(content, str) else ""


def _refusal(message: Mapping[str, Any]) -> str:
    """Why there is no content, where the server tells."""
    refusal = message.get("refusal")
    return _whole_characters(refusal)[:LOOKED_THROUGH] if isinstance(refusal, str) else ""


def _usage(usage: Any) -> Usage:
    if not isinstance(usage, dict):
        return UNKNOWN_USAGE
    details = usage.get("completion_tokens_details")
    reasoning = details.get("reasoning_tokens") if isinstance(details, dict) else usage.get("reasoning_tokens")
    return Usage(_count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens")), _count(reasoning))


def read_status(status: int, body: bytes, headers: Mapping[str, str]) -> Outcome:
    """Read a reply whose status is an error; headers are looked up by their lower-case names."""
    detail = _detail(body)
    if status == 403 and _FILTERED.search(detail):  # said of this prompt alone
        return Refused("content_filter", detail, unpaid=True)
    if status in DEAD:
        return Dead(f"{DEAD[status]} (status {status})", detail)
    if status in REDIRECTS:
        location = _whole_characters(headers.get("location", "nowhere"))
        return Dead(f"sends elsewhere, to {location} (status {status})", detail)
    if status == 429 and "insufficient_quota" in detail:
        return Dead("has no credit left for this key (status 429)", detail)
    if status in TRY_AGAIN or status >= 500 or status < 200:  # below, it is the beginning of a reply that never came
        return Fault(f"http_{status}", detail, read_retry_after(headers), turned_away=status in TURNED_AWAY)
    if _CONTEXT.search(detail):
        return Refused("context_overflow", detail, unpaid=True)
    if _FILTERED.search(detail):
        return Refused("content_filter", detail, unpaid=True)
    return Refused(f"http_{status}", detail, unpaid=True)


def _detail(body: bytes) -> str:
    """The server's own words, from the shapes that servers give errors."""
    text = body.decode("utf-8", "replace")
    try:
        error = json.loads(text)
    except (ValueError, RecursionError):
        return text[:LOOKED_THROUGH]
    if isinstance(error, dict) and "error" in error:
        error = error["error"]
    if isinstance(error, dict):
        words = [str(error[key]) for key in ("message", "type", "code") if error.get(key)]
        text = _whole_characters(" | ".join(words)) or text
    return text[:LOOKED_THROUGH]


def _words(body: bytes) -> str:
    return _whole_characters(body[:LOOKED_THROUGH].decode("utf-8", "replace"))


def _count(value: Any) -> int | None:
    """Some servers count in floating point."""
    if type(value) is int:
        return value if 0 <= value < 2**31 else None
    is_whole = isinstance(value, float) and 0 <= value < 2**31 and value % 1 == 0
    return int(value) if is_whole else None


def _whole_characters(text: str) -> str:
    """Replace halves of surrogate pairs; a server that stops inside an emoji sends them, and no file takes them."""
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
