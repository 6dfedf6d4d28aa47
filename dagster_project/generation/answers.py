"""What became of a request: the record that the journal keeps and the `responses` table is made from.

Belongs here: the record's shape, as a line and as a row. Does not belong here: how it came
about (`asking`), or where it is kept (`journal`).
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Literal, NamedTuple

from pydantic import Field, TypeAdapter, ValidationError
from pydantic_core import to_json

from dagster_project.generation.prices import cost_usd, highest_cost_usd
from dagster_project.generation.replies import Answered, Refused
from dagster_project.generation.requests import Request
from dagster_project.settings import ModelSpec

_LINE_START = b'{"request_hash":"'
HASH_IN_LINE = slice(len(_LINE_START), len(_LINE_START) + 64)
"""Where a line has its request hash, so that looking for one needs no JSON parser."""
_OK_AFTER_HASH = b'","status":"ok"'
_FAILED_AFTER_HASH = b'","status":"failed"'
Status = Literal["ok", "failed"]
_Hash = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
_Small = Annotated[int, Field(ge=0, lt=1 << 15)]
_Tokens = Annotated[int, Field(ge=0, lt=1 << 31)]
_Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
"""Of anything else no sum could be kept to a limit."""


class Answer(NamedTuple):
    """What became of one request, with all that the `responses` table keeps of it.

    ``detail`` is the server's own words about a failure; ``reasoning`` is what the model thought before it
    answered, and its tokens are among ``completion_tokens``; ``answered_at`` is ISO 8601 in UTC, and
    None for a failure that is not journalled because the next run asks again. The order of the fields is that of the
    journal's lines.
    """

    request_hash: _Hash
    status: Status
    prompt_id: str
    sample_index: _Small
    model_name: str
    revision: str
    parameters: str
    licence: str
    outputs_may_train: bool
    attempts: _Small
    reason: str | None = None
    detail: str | None = None
    response: str | None = None
    reasoning: str | None = None
    finish_reason: str | None = None
    prompt_tokens: _Tokens | None = None
    completion_tokens: _Tokens | None = None
    reasoning_tokens: _Tokens | None = None
    cost_usd: _Amount = 0.0
    endpoint: str | None = None
    seconds: float | None = None
    answered_at: str | None = None

    def line(self) -> bytes:
        """Return the journal's line: one JSON object, the request hash and the status first."""
        return to_json(self._asdict()) + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> Answer:
        """Read a journal's line.

        Raises:
            ValueError: it is no answer; it says why in a few words, which tell nothing of the line's content.
        """
        try:
            answer = _lines().validate_json(line, strict=True)
        except ValidationError as error:
            [first, *_] = error.errors(include_url=False, include_context=False, include_input=False)
            raise ValueError(": ".join([*(f"`{part}`" for part in first["loc"]), first["msg"]])) from None
        if not line.startswith(_LINE_START):
            raise ValueError("it does not begin with `request_hash`, as Steerworks writes it")
        if answer.status == "ok" and answer.response is None:
            raise ValueError("`response`: Input should be a string where the status is `ok`")
        if not _is_a_moment(answer.answered_at):
            raise ValueError("`answered_at`: Input should be a time with its offset")
        return answer


@cache
def _lines() -> TypeAdapter[Answer]:
    """Return what reads lines. Making it takes as long as reading a thousand, and many a run has none to read."""
    return TypeAdapter(Answer)


def _is_a_moment(text: str | None) -> bool:
    try:
        return datetime.fromisoformat(text or "").tzinfo is not None
    except ValueError:
        return False


def status_in_line(line: bytes) -> Status:
    """Return a line's status; no JSON parser is needed where the status stands right after the hash.

    Raises:
        ValueError: the line is no answer.
    """
    if line.startswith(_OK_AFTER_HASH, HASH_IN_LINE.stop):
        return "ok"
    if line.startswith(_FAILED_AFTER_HASH, HASH_IN_LINE.stop):
        return "failed"
    return Answer.from_line(line).status


class AnswersOf:
    """Makes the records of one model."""

    def __init__(self, spec: ModelSpec) -> None:
        self._spec = spec

    def settled(self, request: Request, outcome: Answered | Refused, attempts: int, seconds: float | None) -> Answer:
        """Return the record of an answer or a permanent failure, with the prices and the terms of this day."""
        status: Status
        if isinstance(outcome, Answered):
            status, reason, detail, text, reasoning = "ok", None, None, outcome.text, outcome.reasoning
        else:
            status, reason, detail, text, reasoning = "failed", outcome.reason, outcome.detail or None, None, None
        usage = outcome.usage
        return Answer(
            *self._asked(request, status, attempts),
            reason=reason,
            detail=detail,
            response=text,
            reasoning=reasoning,
            finish_reason=outcome.finish_reason,
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
            reasoning_tokens=usage.reasoning_tokens,
            cost_usd=self._cost_usd(request, outcome),
            endpoint=self._spec.endpoint,
            seconds=None if seconds is None else round(seconds, 6),
            answered_at=datetime.now(UTC).isoformat(timespec="microseconds"),
        )

    def unsettled(self, request: Request, reason: str, attempts: int) -> Answer:
        """Return the record of a failure that the next run may find gone; it is not for the journal."""
        return Answer(*self._asked(request, "failed", attempts), reason=reason, endpoint=self._spec.endpoint)

    def _cost_usd(self, request: Request, outcome: Answered | Refused) -> float:
        """Tokens that the server did not count may have been as many as could be: the limit holds all the same."""
        if isinstance(outcome, Refused) and outcome.unpaid:
            return 0.0
        prices, usage = self._spec.prices, outcome.usage
        if prices.are_zero:
            return 0.0
        if usage.prompt_tokens is None or usage.completion_tokens is None:
            return highest_cost_usd(prices, request)
        return cost_usd(prices, usage.prompt_tokens, usage.completion_tokens)

    def _asked(
        self, request: Request, status: Status, attempts: int
    ) -> tuple[str, Status, str, int, str, str, str, str, bool, int]:
        """Return the first fields, which every record has."""
        spec, terms = self._spec, self._spec.terms
        return (
            request.request_hash,
            status,
            request.prompt_id,
            request.sample_index,
            spec.name,
            spec.revision,
            request.parameters,
            terms.licence,
            terms.outputs_may_train,
            attempts,
        )
