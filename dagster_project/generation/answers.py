"""What became of a request: the record that the journal keeps and the `responses` table is made from.

Belongs here: the record's shape, as a line and as a row. Does not belong here: how it came
about (`asking`), or where it is kept (`journal`).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from dagster_project.generation.budget import cost_usd, highest_cost_usd
from dagster_project.generation.replies import Answered, Refused
from dagster_project.generation.requests import Request
from dagster_project.identity import canonical_json
from dagster_project.settings import ModelSpec

_LINE_START = b'{"request_hash":"'
HASH_IN_LINE = slice(len(_LINE_START), len(_LINE_START) + 64)
"""Where a line has its request hash, so that looking for one needs no JSON parser."""


@dataclass(frozen=True)
class Answer:
    """What became of one request, with all that the `responses` table keeps of it.

    ``detail`` is the server's own words about a failure; ``answered_at`` is ISO 8601 in UTC, and
    None for a failure that is not journalled because the next run asks again.
    """

    request_hash: str
    prompt_id: str
    sample_index: int
    status: str
    model_name: str
    revision: str
    parameters: str
    licence: str
    outputs_may_train: bool
    attempts: int
    reason: str | None = None
    detail: str | None = None
    response: str | None = None
    finish_reason: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost_usd: float = 0.0
    seconds: float | None = None
    answered_at: str | None = None

    def line(self) -> bytes:
        """Return the journal's line: one JSON object, the request hash first."""
        rest = {name: value for name, value in asdict(self).items() if name != "request_hash"}
        return _LINE_START + f'{self.request_hash}",{canonical_json(rest)[1:]}\n'.encode()

    @classmethod
    def from_line(cls, line: bytes) -> Answer:
        """Read a journal's line.

        Raises:
            ValueError: it is not JSON.
            TypeError: it is not an answer.
        """
        return cls(**json.loads(line))

    def row(self, request: Request) -> dict[str, Any]:
        """Return the row of `responses` that this answer gives to a request, perhaps another one with the same hash."""
        fields = asdict(self)
        del fields["detail"]
        return fields | {
            "model": request.model,
            "prompt_batch": request.prompt_batch,
            "prompt_id": request.prompt_id,
            "sample_index": request.sample_index,
            "conversation_hash": request.conversation_hash,
            "response_id": request.response_id,
            "answered_at": datetime.fromisoformat(self.answered_at) if self.answered_at else None,
        }


def settled(request: Request, spec: ModelSpec, outcome: Answered | Refused, attempts: int, seconds: float) -> Answer:
    """Return the record of an answer or a permanent failure, with the prices and the terms of this day."""
    if isinstance(outcome, Answered):
        result: dict[str, Any] = {"status": "ok", "response": outcome.text}
    else:
        result = {"status": "failed", "reason": outcome.reason, "detail": outcome.detail or None}
    return Answer(
        **_asked(request, spec),
        **result,
        finish_reason=outcome.finish_reason,
        prompt_tokens=outcome.prompt_tokens,
        completion_tokens=outcome.completion_tokens,
        cost_usd=_cost_usd(request, spec, outcome),
        attempts=attempts,
        seconds=round(seconds, 6),
        answered_at=datetime.now(UTC).isoformat(timespec="microseconds"),
    )


def unsettled(request: Request, spec: ModelSpec, reason: str, attempts: int) -> Answer:
    """Return the record of a failure that the next run may find gone; it is not for the journal."""
    return Answer(**_asked(request, spec), status="failed", reason=reason, attempts=attempts)


def _cost_usd(request: Request, spec: ModelSpec, outcome: Answered | Refused) -> float:
    """Tokens that the server did not count may have been as many as could be: the limit holds all the same."""
    if isinstance(outcome, Refused) and outcome.unpaid:
        return 0.0
    if outcome.prompt_tokens is None or outcome.completion_tokens is None:
        return highest_cost_usd(spec.prices, request)
    return cost_usd(spec.prices, outcome.prompt_tokens, outcome.completion_tokens)


def _asked(request: Request, spec: ModelSpec) -> dict[str, Any]:
    return {
        "request_hash": request.request_hash,
        "prompt_id": request.prompt_id,
        "sample_index": request.sample_index,
        "model_name": spec.name,
        "revision": spec.revision,
        "parameters": request.parameters,
        "licence": spec.terms.licence,
        "outputs_may_train": spec.terms.outputs_may_train,
    }
