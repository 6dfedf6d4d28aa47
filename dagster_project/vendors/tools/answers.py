"""Answers to the questions of one task, told apart by response.

Belongs here: the names of questions. Does not belong here: how a tool writes answers down.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from dagster_project.vendors.canonical import Cells, Defect

NOTHING_DONE = Defect("not_annotated", "the task carries no finished annotation: nothing was rated in it.")
SKIPPED = Defect("skipped", "the annotator skipped the task: nothing was rated in it.")
_ABOUT_ONE = re.compile(r"(?P<name>.+)_(?P<position>[1-9])")
ABOUT_ALL = ("preference", "justification")


def question(name: str, position: int) -> str:
    """Return the name of the question about one response."""
    return f"{name}_{position}"


def annotations_of_answers(task: Mapping[str, Any], answers: Mapping[str, Any]) -> Iterator[Cells]:
    """Yield one annotation for each response that anything was said about.

    ``task`` is what holds for all of them: task, annotator, time.
    """
    by_position: dict[int, dict[str, Any]] = {}
    for name, answer in answers.items():
        if found := _ABOUT_ONE.fullmatch(name):
            by_position.setdefault(int(found["position"]), {})[found["name"]] = answer
    shared = {name: answers[name] for name in ABOUT_ALL if name in answers}
    for position, own in sorted(by_position.items() or [(1, {})]):
        yield {**task, "position": position, **shared, **own}


def text_of(value: Any) -> Any:
    """Return an id as text: a number as its digits, nothing as nothing."""
    return None if value is None else str(value)
