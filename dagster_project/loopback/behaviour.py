"""How the rehearsal server behaves, and which requests meet which fault.

Faults are drawn by hashing seed, request and try, so the same requests meet the same faults in every run.

Belongs here: what can be set, and the draws. Does not belong here: what a fault looks like to a client.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, Self

from dagster_project.identity import unit_interval

RateWindow = Literal["bucket", "fixed", "sliding"]


@dataclass(frozen=True)
class Behaviour:
    """How the server behaves; shares (``p…``) are in [0, 1], times in seconds, 0 or None switches a thing off.

    Attributes:
        latency: before each answer.
        p_slow: share of requests that take ``slow_seconds`` instead.
        slow_seconds: see ``p_slow``.
        p429: share of tries turned away with status 429 and ``retry_after``.
        retry_after: seconds in the Retry-After header of a 429; None leaves the header out.
        retry_after_date: give Retry-After as an HTTP date, which has whole seconds.
        p500: share of tries that end with status 500.
        p503: share of tries that end with status 503.
        p400: share of prompts that every try is refused for with status 400.
        p_truncated: share of tries whose JSON breaks off.
        p_garbage: share of tries answered by a page of HTML with status 200.
        p_reset: share of tries whose connection is reset.
        p_drop: share of tries whose connection is closed in the middle of the body.
        p_hang: share of tries that are never answered; they end when the client goes away.
        p_empty: share of prompts that are answered with nothing.
        p_content_filter: share of prompts whose answer is withheld, with finish_reason content_filter.
        p_length: share of prompts whose answer stops half-way, with finish_reason length.
        requests_per_second: beyond this, 429.
        burst: requests that the bucket holds; None holds one second's worth, and never less than one request.
        rate_window: how the caps count: in a bucket, or in fixed or sliding windows (a second, for tokens a minute).
        tokens_per_minute: beyond this many tokens of prompts and answers, 429.
        max_in_flight: beyond this many requests at once, 429.
        late_429: a request over a limit hears so only after the latency.
        rate_headers: send x-ratelimit-{limit,remaining,reset}-{requests,tokens}, for the limits that are set.
        max_prompt_chars: longer prompts do not fit the context.
        down_model: name of the model that the server does not know (status 404); it knows all others.
        reasoning: answers carry reasoning_content, and the usage its tokens.
        usage: whether tokens are counted.
        logprobs: whether log-probabilities are given to those who ask for them.
        batch_seconds: from the creation of a batch to its end.
        batch_limit: the most requests that a batch may have.
        p_batch_expire: share of batches that expire when half of their requests are answered.
        p_batch_fail: share of batches that fail before any request is answered.
        api_key: the only key that is let in; None lets everybody in.
        remember: keep the bodies of requests for ``/stats?seen=1``.
        seed: of all faults.
    """

    latency: float = 0.0
    p_slow: float = 0.0
    slow_seconds: float = 5.0
    p429: float = 0.0
    retry_after: float | None = None
    retry_after_date: bool = False
    p500: float = 0.0
    p503: float = 0.0
    p400: float = 0.0
    p_truncated: float = 0.0
    p_garbage: float = 0.0
    p_reset: float = 0.0
    p_drop: float = 0.0
    p_hang: float = 0.0
    p_empty: float = 0.0
    p_content_filter: float = 0.0
    p_length: float = 0.0
    requests_per_second: float | None = None
    burst: int | None = None
    rate_window: RateWindow = "bucket"
    tokens_per_minute: int | None = None
    max_in_flight: int | None = None
    late_429: bool = False
    rate_headers: bool = False
    max_prompt_chars: int | None = None
    down_model: str | None = None
    reasoning: bool = False
    usage: bool = True
    logprobs: bool = True
    batch_seconds: float = 0.0
    batch_limit: int = 50_000
    p_batch_expire: float = 0.0
    p_batch_fail: float = 0.0
    api_key: str | None = None
    remember: bool = False
    seed: int = 1

    def drawn(self, fault: str, share: float, *ids: str | int) -> bool:
        """Tell whether these ids meet a fault that a share of all meets."""
        return share > 0 and unit_interval(self.seed, fault, *ids) < share

    def changed(self, changes: dict[str, Any]) -> Self:
        """Return the behaviour with some fields changed.

        Raises:
            ValueError: there is no such field, or it cannot have this value.
        """
        from pydantic import TypeAdapter  # noqa: PLC0415 - loads slowly, and most servers never change

        if unknown := sorted(changes.keys() - {field.name for field in fields(self)}):
            raise ValueError(f"no such behaviour: {', '.join(unknown)}")
        return TypeAdapter(type(self)).validate_python(asdict(self) | changes)
