"""Label Studio: a task of its JSON export or of its API, with the annotations under it.

Belongs here: the shape of an exported task. Does not belong here: the interface that annotators see, or talking to
the server (`label_studio`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dagster_project.vendors.canonical import Cells, Defect
from dagster_project.vendors.tools.answers import NOTHING_DONE, SKIPPED, annotations_of_answers, text_of


def annotations_of_label_studio(task: Cells) -> Iterator[Cells | Defect]:
    """Yield the annotations of an exported task.

    The annotator is the number of the user. An annotation that was changed comes again with a later ``updated_at``,
    which is what the merge goes by.
    """
    done = task.get("annotations") or []
    data = task.get("data")
    if not isinstance(done, list) or not done or not isinstance(data, Mapping):
        yield NOTHING_DONE
        return
    for annotation in done:
        if annotation.get("was_cancelled"):
            yield SKIPPED
            continue
        user = annotation.get("completed_by")
        common = {
            "task_id": data.get("task_id"),
            "round": data.get("round", 1),
            "guideline_version": data.get("guideline_version"),
            "annotator": text_of(user.get("id") if isinstance(user, Mapping) else user),
            "submitted_at": annotation.get("updated_at") or annotation.get("created_at"),
            "seconds": annotation.get("lead_time"),
        }
        yield from annotations_of_answers(common, dict(_answers(annotation.get("result") or [])))


def _answers(results: list[Mapping[str, Any]]) -> Iterator[tuple[str, Any]]:
    for result in results:
        value = result.get("value") or {}
        name = str(result.get("from_name"))
        chosen = value.get("choices", value.get("text", value.get("rating", value.get("number"))))
        if isinstance(chosen, list) and not name.startswith("flags"):
            chosen = "\n".join(str(part) for part in chosen) or None
        yield name, chosen
