"""Control tasks: some with known ratings (gold), and some shown twice (repeats), among a campaign's own.

Belongs here: which they are, decided when the tasks are frozen. Does not belong here: what they say about annotators
(`sql/quality/annotator_quality.sql`). Their ids look as all others do, so that nobody can tell them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
from pydantic import Field, ValidationError

from dagster_project.errors import SteerworksError
from dagster_project.identity import stable_id, unit_interval
from dagster_project.lake import TABLES
from dagster_project.settings import PROJECT_ROOT, Rubric, Settings
from dagster_project.vendors.imported import ImportedResponse, ImportedTask, require_not_withdrawn
from dagster_project.withdrawn import Register

Row = dict[str, Any]


class GoldResponse(ImportedResponse):
    """A response of a gold task, and the ratings that it should get; attributes left out are not judged."""

    expected: dict[str, int] = Field(min_length=1)


class GoldTask(ImportedTask):
    """One line of the file of gold tasks."""

    responses: tuple[GoldResponse, ...]


def control_tasks(settings: Settings, campaign: str, tasks: list[Row]) -> pa.Table:
    """Return a campaign's control tasks as rows of the table of that name; ``tasks`` are those of `annotation_tasks`.

    Raises:
        SteerworksError: the file of gold tasks is absent, or a line of it breaks a rule.
    """
    spec = settings.campaign(campaign)
    seed = spec.pairing.seed if spec.pairing else 1
    chosen = [task for task in tasks if unit_interval(seed, "repeat", campaign, task["task_id"]) < spec.repeat_share]
    rows = [_repeat(task) for task in chosen]
    if spec.gold is not None:
        register = Register.of_home(settings.home)
        rows += _gold(
            PROJECT_ROOT / spec.gold, settings.rubric_of(campaign), campaign, spec.annotators_per_task, register
        )
    return pa.Table.from_pylist(rows, schema=TABLES["control_tasks"].schema)


def _repeat(task: Row) -> Row:
    names = ("campaign", "position", "messages", "response", "annotators")
    return {
        **{name: task[name] for name in names},
        "kind": "repeat",
        "task_id": stable_id("t", ["repeat", task["task_id"]]),
        "response_id": stable_id("r", ["repeat", task["task_id"], task["response_id"]]),
        "of_task_id": task["task_id"],
        "of_response_id": task["response_id"],
    }


def _gold(path: Path, rubric: Rubric, campaign: str, annotators: int, register: Register) -> list[Row]:
    if not path.exists():
        raise SteerworksError(
            f"{path}: no such file. A campaign names it under `gold`, as a path from the project's root."
        )
    rows: list[Row] = []
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").split("\n"), start=1):
        if not line.strip():
            continue
        try:
            task = GoldTask.model_validate_json(line)
            require_not_withdrawn(task, register)
            rows += [row | {"campaign": campaign, "annotators": annotators} for row in _rows(task, rubric, campaign)]
        except (ValidationError, ValueError, json.JSONDecodeError) as error:
            told = str(error).split("\n")[0]
            raise SteerworksError(
                f"{path}, row {number}: {told}. Mend it, and start again; nothing was frozen."
            ) from None
    return rows


def _rows(task: GoldTask, rubric: Rubric, campaign: str) -> list[Row]:
    rows = []
    for position, response in enumerate(task.responses, start=1):
        if strange := sorted(set(response.expected) - set(rubric.names)):
            raise ValueError(f"`expected` names no attribute of the rubric: {', '.join(strange)}")
        rows.append(
            {
                "position": position,
                "messages": task.conversation,
                "response": response.response,
                "kind": "gold",
                "task_id": stable_id("t", ["gold", campaign, task.task_id]),
                "response_id": stable_id("r", ["gold", campaign, task.task_id, response.response_id]),
                "expected": [response.expected.get(name) for name in rubric.names],
            }
        )
    return rows
