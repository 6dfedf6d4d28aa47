"""The lines of a batch: read and validated as a whole, answered one by one.

Belongs here: the shapes of input, output and error lines. Does not belong here: when a line is answered.
"""

from __future__ import annotations

import json
import secrets
from array import array
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NamedTuple

from dagster_project.loopback.behaviour import Behaviour
from dagster_project.loopback.counters import Body, Counters
from dagster_project.loopback.rules import Said, answer, broken, read_request, refused

MOST_ERRORS = 100


@dataclass
class BatchInput:
    """What validation found: where each line begins, its custom_id, the one model, and at most 100 errors."""

    offsets: array[int] = field(default_factory=lambda: array("Q"))
    custom_ids: list[str] = field(default_factory=list)
    model: str | None = None
    errors: list[Body] = field(default_factory=list)


class AnsweredLine(NamedTuple):
    """A line for the output file, or for the error file unless it is ``ok``; usage as in the reply, or nothing."""

    text: bytes
    ok: bool
    usage: Body


def count_lines(path: Path) -> int:
    """Count the lines of a file that are not blank."""
    with path.open("rb") as file:
        return sum(1 for line in file if line.strip())


def read_input(file: IO[bytes], endpoint: str) -> BatchInput:
    """Validate the input file of a batch for an endpoint."""
    found, known, offset = BatchInput(), set[str](), 0
    file.seek(0)
    for number, line in enumerate(file, start=1):
        if line.strip():
            found.offsets.append(offset)
            _read_line(found, known, line, number, endpoint)
        offset += len(line)
    if not found.offsets:
        found.errors.append(_invalid("empty_file", "The batch input file is empty."))
    del found.errors[MOST_ERRORS:]
    return found


def _read_line(found: BatchInput, known: set[str], line: bytes, number: int, endpoint: str) -> None:
    """Take in one line, or the first thing that is wrong with it."""
    try:
        entry = json.loads(line)
    except ValueError:
        entry = None
    if not isinstance(entry, dict):
        found.errors.append(_invalid("invalid_json_line", "This line is not parseable as valid JSON.", number))
        return
    custom_id, body = entry.get("custom_id"), entry.get("body")
    model = body.get("model") if isinstance(body, dict) else None
    found.model = found.model or model
    if problem := _problem(entry, known, endpoint, model == found.model):
        found.errors.append(_invalid(*problem[:2], number, problem[2]))
        return
    known.add(str(custom_id))
    found.custom_ids.append(str(custom_id))


def _problem(entry: Body, known: set[str], endpoint: str, same_model: bool) -> tuple[str, str, str] | None:
    """Return the code, the message and the parameter of what is wrong with a line."""
    custom_id = entry.get("custom_id")
    if not isinstance(custom_id, str) or not custom_id:
        return "missing_required_parameter", "Missing required parameter: 'custom_id'.", "custom_id"
    if custom_id in known:
        return "duplicate_custom_id", f"The custom_id '{custom_id}' is not unique in this batch.", "custom_id"
    if entry.get("method") != "POST":
        return "invalid_method", "The method of a batch request must be POST.", "method"
    if entry.get("url") != endpoint:
        return "url_mismatch", f"The url of this request is not the endpoint of the batch, {endpoint}.", "url"
    if not same_model:
        return "model_mismatch", "All requests of a batch must be for the same model.", "body.model"
    return None


def _invalid(code: str, message: str, line: int | None = None, param: str | None = None) -> Body:
    return {"code": code, "message": message, "param": param, "line": line}


def answered_line(behaviour: Behaviour, counters: Counters, endpoint: str, line: bytes) -> AnsweredLine:
    """Answer a valid line by the same rules as a request by HTTP."""
    entry = json.loads(line)
    said = _said(behaviour, counters, endpoint, entry["body"])
    response = {"status_code": said.status, "request_id": secrets.token_hex(16), "body": said.body}
    return AnsweredLine(_line(entry["custom_id"], response, None), said.status == 200, said.body.get("usage", {}))


def unanswered_line(line: bytes, code: str, message: str) -> bytes:
    """Return the error line of a request that was never answered."""
    return _line(json.loads(line)["custom_id"], None, {"code": code, "message": message})


def _said(behaviour: Behaviour, counters: Counters, endpoint: str, body: Any) -> Said:
    asked = read_request(endpoint, body)
    if isinstance(asked, Said):
        return asked
    number = counters.one_more_batch_try(asked.digest)
    return refused(behaviour, asked) or broken(behaviour, asked, number) or Said(200, answer(behaviour, asked))


def _line(custom_id: str, response: Body | None, error: Body | None) -> bytes:
    line = {"id": f"batch_req_{secrets.token_hex(12)}", "custom_id": custom_id, "response": response, "error": error}
    return json.dumps(line).encode() + b"\n"
