"""What the rehearsal server counts.

Belongs here: counts and the bodies that were seen; small enough for millions of requests. Does not belong here: caps.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

Body = dict[str, Any]
_DIGEST_HEX_DIGITS = 32


@dataclass
class ModelCounts:
    """The counts of one model name."""

    distinct: int = 0
    batch_lines: int = 0
    statuses: Counter[str] = field(default_factory=Counter)


class Counters:
    """Requests by status and model, tries of each request, requests in flight, batches.

    Attributes:
        statuses: requests by status, or by the fault that kept a status from being sent.
        tries: how often each request was sent, by the first 16 bytes of its digest.
        models: the same by model name.
        batches: batches created.
        seen: bodies of requests, if they are remembered.
    """

    def __init__(self) -> None:
        self.in_flight = 0
        self.reset()

    def reset(self) -> None:
        """Begin again with nothing but the requests that are in flight."""
        self.statuses: Counter[str] = Counter()
        self.tries: dict[bytes, int] = {}
        self.models: dict[str, ModelCounts] = {}
        self.seen: list[Body] = []
        self.max_in_flight = self.in_flight
        self.batches = 0
        self._batch_tries: dict[bytes, int] = {}
        self._line_tries: dict[bytes, int] = {}
        self._submitted: dict[bytes, int] = {}
        self._resubmitted: dict[str, int] = {}

    def enter(self) -> None:
        """Count a request that begins."""
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)

    def leave(self) -> None:
        """Count a request that ends, however it ends."""
        self.in_flight -= 1

    def one_more_try(self, model: str, digest: str) -> int:
        """Return the number of this try, from 1."""
        number = _one_more(self.tries, _key(digest))
        if number == 1:
            self.of_model(model).distinct += 1
        return number

    def one_more_batch_of(self, input_sha256: str) -> int:
        """Return the number of this try of an input file, from 1."""
        return _one_more(self._batch_tries, bytes.fromhex(input_sha256))

    def one_more_batch_try(self, digest: str) -> int:
        """Return the number of this try of a request in batches, from 1."""
        return _one_more(self._line_tries, _key(digest))

    def submitted(self, model: str, custom_id: str) -> None:
        """Count a line of a batch that was taken in."""
        self.of_model(model).batch_lines += 1
        times = _one_more(self._submitted, hashlib.blake2b(custom_id.encode(), digest_size=16).digest())
        if times > 1:
            self._resubmitted[custom_id] = times

    def ended(self, model: str, status: str) -> None:
        """Count how a request ended."""
        self.statuses[status] += 1
        self.of_model(model).statuses[status] += 1

    def of_model(self, model: str) -> ModelCounts:
        """Return the counts of a model name."""
        counts = self.models.get(model)
        if counts is None:
            counts = self.models[model] = ModelCounts()
        return counts

    def stats(self) -> Body:
        """Return all counts as JSON; ``batch_resubmitted``: each custom_id that came more than once, and how often."""
        return {
            "requests": sum(self.statuses.values()),
            "distinct": len(self.tries),
            "statuses": dict(sorted(self.statuses.items())),
            "max_in_flight": self.max_in_flight,
            "models": {
                model: {
                    "requests": sum(counts.statuses.values()),
                    "distinct": counts.distinct,
                    "statuses": dict(sorted(counts.statuses.items())),
                }
                for model, counts in sorted(self.models.items())
            },
            "batches": self.batches,
            "batch_lines": {
                model: counts.batch_lines for model, counts in sorted(self.models.items()) if counts.batch_lines
            },
            "batch_resubmitted": dict(sorted(self._resubmitted.items())),
        }


def _key(digest: str) -> bytes:
    return bytes.fromhex(digest[:_DIGEST_HEX_DIGITS])


def _one_more(times: dict[bytes, int], key: bytes) -> int:
    number = times[key] = times.get(key, 0) + 1
    return number
