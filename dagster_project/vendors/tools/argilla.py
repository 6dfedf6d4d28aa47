"""Argilla: a record with the responses of each user, as the server's API or its SDK writes it down.

Belongs here: the shape of a record. Does not belong here: the names of questions (`answers`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from dagster_project.vendors.canonical import Cells, Defect
from dagster_project.vendors.tools.answers import NOTHING_DONE, annotations_of_answers, text_of


def annotations_of_argilla(record: Cells) -> Iterator[Cells | Defect]:
    """Yield the submitted annotations of a record, or of each record of a page of the API.

    The task's id is ``task_id`` of the record's metadata, or the record's external id. What the SDK writes has no
    times: there ``submitted_at`` of the metadata stands for all of a record's responses.
    """
    if isinstance(record.get("items"), list):
        for item in record["items"]:
            yield from annotations_of_argilla(item)
        return
    metadata = record.get("metadata") or {}
    common = {
        "task_id": metadata.get("task_id") or record.get("external_id") or record.get("id"),
        "round": metadata.get("round", 1),
        "guideline_version": metadata.get("guideline_version"),
    }
    responses = record.get("responses") or []
    by_user = _of_api(responses) if isinstance(responses, list) else _of_sdk(responses, metadata.get("submitted_at"))
    done = False
    for own, answers in by_user:
        done = True
        yield from annotations_of_answers({**common, **own}, answers)
    if not done:
        yield NOTHING_DONE


def _of_api(responses: list[Mapping[str, Any]]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for response in responses:
        if response.get("status") == "submitted":
            answers = {name: answer.get("value") for name, answer in (response.get("values") or {}).items()}
            moment = response.get("updated_at") or response.get("inserted_at")
            yield {"annotator": text_of(response.get("user_id")), "submitted_at": _in_utc(moment)}, answers


def _of_sdk(responses: Mapping[str, Any], submitted_at: Any) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    by_user: dict[str, dict[str, Any]] = {}
    for name, answers in responses.items():
        for answer in answers:
            if answer.get("status", "submitted") == "submitted":
                by_user.setdefault(str(answer.get("user_id")), {})[name] = answer.get("value")
    for user, answers in by_user.items():
        yield {"annotator": user, "submitted_at": submitted_at}, answers


def _in_utc(moment: Any) -> Any:
    """Return a time of the server, which writes UTC without saying so."""
    without_offset = isinstance(moment, str) and re.fullmatch(r"[0-9-]{10}T[0-9:.]+", moment)
    return f"{moment}+00:00" if without_offset else moment
