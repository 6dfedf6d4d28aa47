"""Campaigns written down by hand, or drawn from a seed, in the shape of the lake's tables."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pyarrow as pa

from dagster_project.lake import TABLES, Lake, Session
from dagster_project.quality.retention import filter_annotations
from dagster_project.settings import AgreementPolicy, Settings

CAMPAIGN = "starter"
PARTITION = {"campaign": CAMPAIGN}
Scores = Sequence[int | None]


def rubric(attributes: int = 2, deciding: Collection[int] = (1,), lowest: int = 0, highest: int = 4) -> pl.DataFrame:
    """A rubric as SQL sees it, its attributes called `a1`, `a2` …"""
    return pl.DataFrame(
        [
            {"attribute": f"a{n}", "position": n, "decides": n in deciding, "lowest": lowest, "highest": highest}
            for n in range(1, attributes + 1)
        ]
    )


@dataclass
class Ratings:
    """Annotations and the tasks they belong to; `rate` adds one annotator's ratings of one task."""

    annotations: list[dict[str, Any]] = field(default_factory=list)
    tasks: dict[str, int] = field(default_factory=dict)
    controls: list[dict[str, Any]] = field(default_factory=list)
    models: dict[int, str] = field(default_factory=dict)
    """By position, who wrote the response."""

    def rate(
        self,
        task: str,
        annotator: str,
        *responses: Scores,
        flags: Mapping[int, Sequence[str]] | None = None,
        preference: int | None = None,
        justification: str | None = None,
    ) -> Ratings:
        self.tasks[task] = max(self.tasks.get(task, 0), len(responses))
        for position, scores in enumerate(responses, start=1):
            self.annotations.append(
                _annotation(task, annotator, position)
                | {"scores": list(scores), "flags": list((flags or {}).get(position, []))}
                | {"preference": preference, "justification": justification, "row_number": len(self.annotations)}
            )
        return self

    def arrow(self) -> pa.Table:
        return pa.Table.from_pylist(self.annotations, schema=TABLES["annotations"].schema)

    def task_rows(self) -> pa.Table:
        rows = [
            _task(task, position) | {"model": self.models.get(position)}
            for task, n in self.tasks.items()
            for position in range(1, n + 1)
        ]
        return pa.Table.from_pylist(rows, schema=TABLES["annotation_tasks"].schema)

    def write(self, lake: Lake, settings: Settings) -> None:
        lake.write("annotations", PARTITION, self.arrow())
        rubric_hash = pl.lit(settings.rubric_of(CAMPAIGN).shape_hash)
        lake.add(
            "annotation_tasks", PARTITION, "tasks", pl.DataFrame(self.task_rows()).with_columns(rubric_hash=rubric_hash)
        )


def _annotation(task: str, annotator: str, position: int) -> dict[str, Any]:
    return {
        "campaign": CAMPAIGN,
        "task_id": task,
        "response_id": f"{task}.{position}",
        "annotator": annotator,
        "vendor": "simulated",
        "submitted_at": datetime(2026, 1, 1, tzinfo=UTC),
        "revision": 1,
        "round": 1,
        "guideline_version": "1.0",
        "seconds": None,
        "simulated": True,
        "delivery_id": "d1",
        "position": position,
    }


def _task(task: str, position: int) -> dict[str, Any]:
    given = {
        "campaign": CAMPAIGN,
        "task_id": task,
        "position": position,
        "response_id": f"{task}.{position}",
        "messages": [{"role": "user", "content": "Hello"}],
        "annotators": 3,
    }
    rest = {c.name: None if c.nullable else "x" for c in TABLES["annotation_tasks"].columns if c.name not in given}
    return given | rest


def prepared(session: Session, ratings: Ratings, rubric_rows: pl.DataFrame, untrusted: Collection[str] = ()) -> Session:
    """A session that has what the filter starts from."""
    annotators = sorted({row["annotator"] for row in ratings.annotations}) or ["nobody"]
    session.frame("annotations", ratings.arrow())
    session.frame("control_annotations", pa.Table.from_pylist(ratings.controls, TABLES["control_annotations"].schema))
    session.frame("annotation_tasks", ratings.task_rows())
    session.frame("rubric", rubric_rows)
    session.frame(
        "annotator_quality",
        pl.DataFrame({"annotator": annotators, "trusted": [name not in untrusted for name in annotators]}),
    )
    return session


def retained(
    ratings: Ratings,
    rubric_rows: pl.DataFrame | None = None,
    *,
    untrusted: Collection[str] = (),
    closed: bool = True,
    **policy: Any,
) -> list[dict[str, Any]]:
    """The rows of `retained_annotations` under a policy."""
    with Session() as session:
        prepared(session, ratings, rubric() if rubric_rows is None else rubric_rows, untrusted)
        filter_annotations(session, AgreementPolicy(**policy), closed=closed)
        return session.arrow("retained_annotations").to_pylist()


def fates(rows: list[dict[str, Any]], task: str = "t") -> dict[str, str]:
    """What became of each annotator of a task, in one word; all rows of a task-annotation must agree."""
    words: dict[str, set[str]] = {}
    for row in rows:
        if row["task_id"] == task:
            words.setdefault(row["annotator"], set()).add(row["reason"] or row["stage"])
    assert all(len(found) == 1 for found in words.values()), words
    return {annotator: found.pop() for annotator, found in sorted(words.items())}


def panel(
    seed: int, tasks: int = 80, annotators: int = 12, per_task: int = 3, responses: int = 2, attributes: int = 5
) -> Ratings:
    """Honest annotators: the truth, a noise of 0.6 steps, rounded onto the scale from 0 to 4."""
    dice = random.Random(seed)
    ratings = Ratings()
    for task in range(tasks):
        truth = [[dice.uniform(0, 4) for _ in range(attributes)] for _ in range(responses)]
        for annotator in sorted(dice.sample(range(annotators), per_task)):
            ratings.rate(f"t{task:03}", f"h{annotator:02}", *([on_scale(x, dice) for x in row] for row in truth))
    return ratings


def on_scale(truth: float, dice: random.Random, shift: float = 0.0) -> int:
    return min(4, max(0, round(truth + shift + dice.gauss(0, 0.6))))
