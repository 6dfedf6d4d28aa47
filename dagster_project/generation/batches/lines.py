"""The lines of a batch's output and error files: whose each is, and what became of its request.

Belongs here: reading what the files bring into the journal. Does not belong here: fetching them (`provider`),
and what is done about requests that came back without an answer (`desk`).
"""

from __future__ import annotations

import io
import json
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

from dagster_project.generation.answers import HASH_IN_LINE, Answer, AnswersOf
from dagster_project.generation.batches.log import BatchRecord
from dagster_project.generation.endpoint_secrets import Secrets
from dagster_project.generation.journal import Journal, no_answer
from dagster_project.generation.prices import highest_cost_usd
from dagster_project.generation.replies import Dead, Fault, Outcome, read_reply
from dagster_project.generation.requests import Request

LINES_NAMED = 5
_SLUG = re.compile("[a-z_]{1,40}")


class Harvest:
    """What the files of one batch bring; it goes to the journal line by line.

    Args:
        record: of the batch.
        asked: its requests, by request hash.
        journal: where answers and permanent failures go.
        secrets: which some servers repeat, and no file may hold.
        on_brought: called with each answer and permanent failure.

    Attributes:
        dead: what no request of the batch can succeed for, in the provider's words, if one says so.
    """

    def __init__(
        self,
        record: BatchRecord,
        asked: dict[str, Request],
        journal: Journal,
        secrets: Secrets,
        on_brought: Callable[[Answer], None],
    ) -> None:
        self.dead: Dead | None = None
        self._asked = asked
        self._prices = record.spec.prices
        self._answers = AnswersOf(record.spec)
        self._journal = journal
        self._secrets = secrets
        self._on_brought = on_brought
        self._unreadable = 0
        self._faults: dict[str, Fault | Dead] = {}
        # A run that was killed while it collected may have written some of them: once is enough.
        self._costs = _costs_in(journal, asked)

    def take_file(self, content: bytes) -> list[int]:
        """Take in a file, and return the numbers of lines that are nothing that this batch can have brought."""
        odd = []
        for number, line in enumerate(io.BytesIO(content), start=1):
            if line.strip() and not self._take(line):
                odd.append(number)
        return odd

    def all_were_worked_on(self) -> None:
        """Take it that each request was worked on, also one of which nothing is heard."""
        self._unreadable = len(self._asked)

    @property
    def cost_usd(self) -> float:
        """What the batch cost, in US dollars."""
        return sum(self._costs.values()) + self.lost_usd

    @property
    def lost_usd(self) -> float:
        """The most that requests can have cost that were worked on, as far as can be seen, and have no answer."""
        left = {key: highest_cost_usd(self._prices, request) for key, request in self._left.items()}
        garbled = {key for key in left if isinstance(fault := self._faults.get(key), Fault) and fault.may_cost}
        unheard = sorted((usd for key, usd in left.items() if key not in self._faults), reverse=True)
        return sum(left[key] for key in garbled) + sum(unheard[: self._unreadable])

    @property
    def left_without_an_answer(self) -> Counter[str]:
        """How many requests came back without an answer, by reason."""
        return Counter(_reason(self._faults.get(key)) for key in self._left)

    @property
    def _left(self) -> dict[str, Request]:
        return {key: request for key, request in self._asked.items() if key not in self._costs}

    def _take(self, line: bytes) -> bool:
        """Take in a line; say False if it cannot be read, or is about nothing that was asked."""
        read = _read_line(line, self._secrets)
        if read is None:
            self._unreadable += 1
            return False
        key, outcome = read
        if key not in self._asked:
            self._unreadable += 1  # perhaps it stands for one of ours
            return False
        if key in self._costs:  # told twice
            return True
        if isinstance(outcome, Fault | Dead):
            self._faults[key] = outcome
            self.dead = outcome if isinstance(outcome, Dead) else self.dead
            return True
        answer = self._answers.settled(self._asked[key], outcome, attempts=1, seconds=None)
        self._journal.write(answer)
        self._costs[key] = answer.cost_usd
        self._on_brought(answer)
        return True


def lines_in_words(numbers: list[int]) -> str:
    """Return ``line 3``, or ``lines 3, 7 and 12 more``."""
    named = ", ".join(str(number) for number in numbers[:LINES_NAMED])
    more = f" and {len(numbers) - LINES_NAMED} more" if len(numbers) > LINES_NAMED else ""
    return f"line{'s' if len(numbers) > 1 else ''} {named}{more}"


def _costs_in(journal: Journal, asked: dict[str, Request]) -> dict[str, float]:
    """Return what those requests cost that the journal has already, by request hash."""
    costs = {}
    with journal.path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            key = line[HASH_IN_LINE].decode("ascii", "replace")
            if key in asked:
                try:
                    costs[key] = Answer.from_line(line).cost_usd
                except ValueError as error:
                    raise no_answer(journal.path, number, error) from None
    return costs


def _read_line(line: bytes, secrets: Secrets) -> tuple[str, Outcome] | None:
    """Read a line: whose it is, and what became of it; None if it is no line of an output or error file."""
    try:
        fields: dict[str, Any] = json.loads(line)
        key, response, error = fields["custom_id"], fields.get("response"), fields.get("error")
        if not response:  # the request was never worked on: the batch expired, or was cancelled
            return str(key), Fault(_code(error))
        status, body = response["status_code"], json.dumps(response.get("body") or error or {}).encode()
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
    if type(status) is not int or not 200 <= status < 600:
        return None
    return str(key), read_reply(status, body, {}, secrets)


def _code(error: Any) -> str:
    code = error.get("code") if isinstance(error, dict) else None
    return code if isinstance(code, str) and _SLUG.fullmatch(code) else "no_response"


def _reason(outcome: Outcome | None) -> str:
    if isinstance(outcome, Fault):
        return outcome.reason
    return outcome.problem if isinstance(outcome, Dead) else "no line"
