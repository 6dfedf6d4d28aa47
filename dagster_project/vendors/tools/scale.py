"""Scale AI: a completed task with the answers under ``response.annotations``, in the manner of text collection.

Belongs here: the shape of a task. Does not belong here: the names of fields (`answers`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dagster_project.vendors.canonical import Cells, Defect
from dagster_project.vendors.tools.answers import NOTHING_DONE, annotations_of_answers, text_of


def annotations_of_scale(task: Cells) -> Iterator[Cells | Defect]:
    """Yield the annotations of a task; one that is not completed has none.

    ``task_id`` of the metadata is the campaign's, since Scale gives every task an id of its own. The worker is the
    first of ``worker_id`` of the task, of its response, and of its metadata.
    """
    metadata, response = _object(task, "metadata"), _object(task, "response")
    answers = _object(response, "annotations")
    if task.get("status", "completed") != "completed" or not answers:
        yield NOTHING_DONE
        return
    worker = next((place["worker_id"] for place in (task, response, metadata) if place.get("worker_id")), None)
    common = {
        "task_id": metadata.get("task_id"),
        "round": metadata.get("round", 1),
        "guideline_version": metadata.get("guideline_version"),
        "annotator": text_of(worker),
        "submitted_at": task.get("completed_at") or task.get("updated_at"),
        "seconds": response.get("duration"),
    }
    yield from annotations_of_answers(common, {name: _answer(name, field) for name, field in answers.items()})


def _object(place: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = place.get(name)
    return found if isinstance(found, Mapping) else {}


def _answer(name: str, field: Any) -> Any:
    """Return what was answered: Scale wraps it in one list for each repetition, and one for each choice."""
    answer = field.get("response", field.get("value")) if isinstance(field, Mapping) else field
    flat: list[Any] = []
    pending = [answer]
    while pending:
        part = pending.pop(0)
        if isinstance(part, list):
            pending = [*part, *pending]
        elif part is not None:
            flat.append(part)
    return flat if name.startswith("flags") else (flat[0] if len(flat) == 1 else flat or None)
