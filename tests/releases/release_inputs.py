"""The tables of a small campaign, as the stages before a release leave them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from dagster_project.identity import unit_interval
from dagster_project.lake import TABLES, Lake
from dagster_project.quality import (
    judge_annotators,
    made_from,
    measure_agreement,
    reach_consensus,
    retain_annotations,
)
from dagster_project.quality.provenance import INPUTS
from dagster_project.settings import Rubric, Settings
from dagster_project.vendors import merge

START = datetime(2026, 3, 1, 9, tzinfo=UTC)
ANNOTATORS = ("w-anna", "w-bela", "w-cleo", "w-dora")
DISPUTED, TOO_FEW, TIED = 0, 1, 2
"""Tasks by number: the first is disputed, the second has too few annotators, the third has no preference."""

SMALL_RUBRIC = {
    "name": "small",
    "version": "1.0",
    "scale": {"lowest": 1, "highest": 5},
    "attributes": [
        {"name": "use", "description": "Is it of use?", "decides": True},
        {"name": "truth", "description": "Is it true | checked?"},
        {"name": "tone", "description": "Is it polite?"},
    ],
}
CAMPAIGNS = {
    "small": {"vendor": "acme", "guideline_version": "1.0", "pairing": {"prompt_batches": ["small"]}},
    "second": {"vendor": "acme", "guideline_version": "1.1", "pairing": {"prompt_batches": ["second"]}},
    "starter": {"vendor": "simulated", "guideline_version": "1.0", "pairing": {"prompt_batches": ["starter"]}},
}
VENDORS = {
    "acme": {"licence": "CC-BY-4.0", "description": "people in an office"},
    "simulated": {"kind": "simulated", "licence": "CC0-1.0"},
}
SPEC = {"name": "Small set", "licence": "cc-by-4.0", "validation_share": 0.3, "seed": 1}


@dataclass
class Fixture:
    """Writes the tables of a campaign as the stages before a release would leave them."""

    lake: Lake
    campaign: str
    settings: Settings
    vendor: str
    simulated: bool = False
    tasks: int = 12
    may_train: bool = True
    agreeing: bool = False

    def write(self, close: bool = True) -> None:
        annotations = self._annotations()
        self._add("annotation_tasks", "tasks", [row for number in range(self.tasks) for row in self.task(number)])
        self._write_prompts()
        self._write_deliveries(annotations)
        self._write("annotations", annotations)
        self._write("annotator_quality", [self._record(annotator) for annotator in ANNOTATORS])
        self._write("retained_annotations", annotations)
        self._write_results(annotations)
        if close:
            self.close()
        seal(self.lake, self.settings, self.campaign)

    def close(self) -> None:
        self._add("campaign_closings", "closing", [{"campaign": self.campaign, "closed_at": START}])

    @cached_property
    def rubric(self) -> Rubric:
        return self.settings.rubric_of(self.campaign)

    def _id(self, prefix: str, number: int) -> str:
        return f"{prefix}-{self.campaign}-{number:02}"

    def _messages(self, number: int) -> list[dict[str, str]]:
        first = {"role": "user", "content": f"Question {number} of {self.campaign}?\nIn two lines."}
        if number % 4:
            return [first]
        answer = {"role": "assistant", "content": "Which one do you mean?"}
        return [first, answer, {"role": "user", "content": "The second one."}]

    def task(self, number: int) -> list[dict[str, Any]]:
        return [
            {
                "campaign": self.campaign,
                "task_id": self._id("t", number),
                "position": position,
                "prompt_id": self._id("p", number),
                "response_id": self._id(f"r{position}", number),
                "messages": self._messages(number),
                "response": f"Answer {number} by the {model} model.",
                "model": model,
                "model_name": model.upper(),
                "revision": "1",
                "parameters": '{"temperature":0.5}',
                "request_hash": f"q-{model}-{number}",
                "model_licence": "Apache-2.0",
                "outputs_may_train": self.may_train,
                "source": "the tests" if number % 2 else "the other tests",
                "source_licence": "CC0-1.0",
                "completion_model": None if number % 4 else "plain",
                "completion_licence": None if number % 4 else "Apache-2.0",
                "completion_may_train": None if number % 4 else True,
                "vendor": self.vendor,
                "guideline_version": "1.0",
                "rubric_hash": self.rubric.shape_hash,
                "annotators": 3,
            }
            for position, model in enumerate(("plain", "warm") if number % 3 else ("warm", "plain"), start=1)
        ]

    def _annotations(self) -> list[dict[str, Any]]:
        rows = [
            row
            for number in range(self.tasks)
            for place, annotator in enumerate(ANNOTATORS[: 2 if number == TOO_FEW else 4])
            for row in self._ratings(number, place, annotator)
        ]
        return [{**row, "delivery_id": "d-1", "row_number": number} for number, row in enumerate(rows, start=1)]

    def _ratings(self, number: int, place: int, annotator: str) -> list[dict[str, Any]]:
        stage, reason = self._outcome(number, place)
        return [
            {
                "campaign": self.campaign,
                "task_id": task["task_id"],
                "response_id": task["response_id"],
                "position": task["position"],
                "annotator": annotator,
                "vendor": self.vendor,
                "scores": [self._score(annotator, task["response_id"], name) for name in self.rubric.names],
                "flags": [],
                "preference": 1 if task["position"] == 2 else None,
                "justification": f"{annotator} finds it better" if task["position"] == 2 else None,
                "submitted_at": START + timedelta(minutes=number),
                "revision": 1,
                "withdrawn": False,
                "round": 1,
                "guideline_version": "1.0",
                "seconds": 30.0,
                "simulated": self.simulated,
                "stage": stage,
                "reason": reason,
                "preference_retained": place < 3,
            }
            for task in self.task(number)
        ]

    def _record(self, annotator: str) -> dict[str, Any]:
        unknown = dict.fromkeys(("deviation", "bias", "straight_lining", "identical", "identical_with"))
        broken = dict.fromkeys(("rule", "figure", "threshold"))
        known = {"campaign": self.campaign, "annotator": annotator, "vendor": self.vendor, "tasks": self.tasks}
        return {**unknown, **broken, **known, "shared_tasks": 0, "flagged": 0.0, "trusted": True}

    @staticmethod
    def _outcome(number: int, place: int) -> tuple[str, str | None]:
        if number == TOO_FEW:
            return "coverage", "too_few"
        if place == 3:
            return "closest", "not_closest"
        return ("dispute", "disputed") if number == DISPUTED else ("kept", None)

    def _score(self, annotator: str, response_id: str, attribute: str) -> int | None:
        scale = self.rubric.scale
        if attribute == self.rubric.names[-1] and annotator != ANNOTATORS[0] and response_id.endswith("05"):
            return None
        steps = scale.highest - scale.lowest
        if self.agreeing:
            around = scale.lowest + round(unit_interval(response_id, attribute) * steps)
            return min(scale.highest, around + int(unit_interval(annotator, response_id, attribute) * 2))
        return scale.lowest + int(unit_interval(annotator, response_id, attribute) * (steps + 1))

    def _write_prompts(self) -> None:
        """Write the prompts behind the tasks, and some that did not come so far."""
        numbers = range(self.tasks + 3)
        known = [
            {
                "prompt_batch": self.campaign,
                "intake_number": number,
                "prompt_id": self._id("p", number),
                "source": "the tests",
                "licence": "CC0-1.0",
                "messages": self._messages(number)[:1],
                "conversation_hash": f"c-{number}",
                "turns": 1,
                "chars": 30,
                "kept": number != self.tasks,
                "reason": "too_short" if number == self.tasks else None,
                "detail": "30 characters" if number == self.tasks else None,
                "duplicate_of": None,
                "similarity": None,
                "cluster": self._id("p", number),
                "touches": [],
                "language": "en",
                "selected": number != self.tasks + 1,
                "topic_id": None,
                "complexity": None,
                "place": None,
                "completion_model": None,
                "completion_licence": None,
                "completion_may_train": None,
            }
            for number in numbers
        ]
        batch = {"prompt_batch": self.campaign}
        self._write("curated_prompts", known, batch)
        selected = [{**row, "reason": None if row["selected"] else "over_target"} for row in known if row["kept"]]
        self._write("selected_prompts", selected, batch)
        answers = [row for number in range(self.tasks) for row in self.task(number)]
        for model in ("plain", "warm"):
            rows = [self.answer(row) for row in answers if row["model"] == model]
            self._write("responses", [*rows, self._failure(model)], {"model": model, **batch})

    def answer(self, task: dict[str, Any]) -> dict[str, Any]:
        return {
            **{name: task[name] for name in ("model", "prompt_id", "response_id", "request_hash", "response")},
            **{name: task[name] for name in ("model_name", "revision", "parameters", "outputs_may_train")},
            "prompt_batch": self.campaign,
            "conversation_hash": "c",
            "sample_index": 0,
            "status": "ok",
            "reason": None,
            "reasoning": None,
            "finish_reason": "stop",
            "endpoint": None,
            "reasoning_tokens": None,
            "prompt_tokens": 10,
            "completion_tokens": 10,
            "cost_usd": 0.0,
            "licence": "Apache-2.0",
            "attempts": 1,
            "seconds": 0.5,
            "answered_at": START,
        }

    def _failure(self, model: str) -> dict[str, Any]:
        task = {**self.task(self.tasks + 2)[0], "model": model, "response": None, "response_id": f"r-{model}-none"}
        return {**self.answer(task), "status": "failed", "reason": "empty_answer"}

    def _write_deliveries(self, annotations: list[dict[str, Any]]) -> None:
        twice = {**annotations[0], "row_number": len(annotations) + 1}
        broken = {"campaign": self.campaign, "delivery_id": "d-1", "file": "a.jsonl", "message": "no such task"}
        self._add("deliveries", "d-1", [*annotations, twice])
        self._add("quarantine", "d-1", [{**broken, "row_number": 900, "rule": "unknown_task"}])
        self._add("intake", "d-1", [self._intake(len(annotations) + 2)])
        fates = [{**row, "fate": "used", "rule": None} for row in annotations]
        fates.append({**twice, "fate": "duplicate", "rule": "said_before"})
        fates.append({**broken, "row_number": 900, "fate": "quarantined", "rule": "unknown_task"})
        self._write("annotation_fates", fates)

    def _intake(self, rows: int) -> dict[str, Any]:
        counts = {"file_rows": rows, "rows": rows, "accepted": rows - 1, "quarantined": 1, "bytes": 1000}
        known = {"campaign": self.campaign, "delivery_id": "d-1", "vendor": self.vendor, "file": "a.jsonl"}
        return {**known, **counts, "simulated": self.simulated, "received_at": START}

    def _write_results(self, annotations: list[dict[str, Any]]) -> None:
        kept = [row for row in annotations if row["stage"] == "kept"]
        by_response: dict[str, list[dict[str, Any]]] = {}
        for row in kept:
            by_response.setdefault(row["response_id"], []).append(row)
        self._write("consensus", [self._rating(rows) for rows in by_response.values()])
        self._write("preferences", [self._preference(task_id) for task_id in sorted({row["task_id"] for row in kept})])
        self._write("agreement", self._agreement())

    @staticmethod
    def _rating(rows: list[dict[str, Any]]) -> dict[str, Any]:
        columns = [
            [score for score in scores if score is not None]
            for scores in zip(*(r["scores"] for r in rows), strict=True)
        ]
        return {
            **rows[0],
            "scores": [(2 * sum(c) + len(c)) // (2 * len(c)) if len(c) > 1 else None for c in columns],
            "spreads": [max(c) - min(c) if len(c) > 1 else None for c in columns],
            "n_annotators": len(rows),
        }

    def _preference(self, task_id: str) -> dict[str, Any]:
        is_tied = task_id == self._id("t", TIED)
        return {
            "campaign": self.campaign,
            "task_id": task_id,
            "strength": None if is_tied else 1,
            "reason": "tie" if is_tied else None,
            "statement": None if is_tied else "It answers the question.",
            "all_preferences": [
                {"annotator": name, "strength": 1, "justification": f"{name} finds it better", "retained": place < 3}
                for place, name in enumerate(ANNOTATORS)
            ],
        }

    def _agreement(self) -> list[dict[str, Any]]:
        limits = [f"{figure}{end}" for figure in ("", "shuffled_", "lift_") for end in ("low", "high")]
        unsaid = dict.fromkeys([*limits, "lift", "warning"])
        figures = {"campaign": self.campaign, "units": 20, "pairs": 60, **unsaid}
        rows = [
            {**figures, "stage": stage, "attribute": name, "statistic": "quadratic_kappa", "estimator": "pooled"}
            for stage in ("collected", "trusted", "closest", "retained")
            for name in self.rubric.names
        ]
        return [
            {**row, "value": 0.4 + number / 64, "shuffled": None if row["stage"] == "collected" else number / 128}
            for number, row in enumerate(rows)
        ]

    def _write(self, table: str, rows: list[dict[str, Any]], partition: dict[str, str] | None = None) -> None:
        self.lake.write(table, partition or {"campaign": self.campaign}, frame(table, rows))

    def _add(self, table: str, part: str, rows: list[dict[str, Any]]) -> None:
        self.lake.add(table, {"campaign": self.campaign}, part, frame(table, rows))


def seal(lake: Lake, settings: Settings, campaign: str) -> None:
    """Have the tables of a campaign say that they were made from what there is now."""
    partition = {"campaign": campaign}
    for table in INPUTS:
        rows = lake.read(table, partition)
        lake.write(table, partition, rows, made_from(lake, settings, campaign, table))


def process(lake: Lake, settings: Settings, campaign: str = "small") -> None:
    """Make everything after the deliveries again, as the assets do."""
    merge(lake, campaign)
    for stage in (judge_annotators, retain_annotations, measure_agreement, reach_consensus):
        stage(lake, settings, campaign)


def deliver(lake: Lake, rows: pl.DataFrame, delivery_id: str, campaign: str = "small") -> None:
    """Take in a further file of ratings."""
    partition = {"campaign": campaign}
    numbered = rows.with_columns(
        delivery_id=pl.lit(delivery_id), row_number=pl.int_range(1, pl.len() + 1, dtype=pl.Int64)
    )
    receipt = (
        lake.read("intake", partition)
        .head(1)
        .with_columns(
            delivery_id=pl.lit(delivery_id),
            **dict.fromkeys(("file_rows", "rows", "accepted"), pl.lit(rows.height, pl.Int64)),
            quarantined=pl.lit(0, pl.Int64),
        )
    )
    lake.add("deliveries", partition, delivery_id, numbered)
    lake.add("intake", partition, delivery_id, receipt)


def rewrite(lake: Lake, settings: Settings, table: str, rows: pl.DataFrame, campaign: str = "small") -> None:
    """Put other rows into a table of a campaign, as if the stages before a release had left them so."""
    partition = {"campaign": campaign}
    if TABLES[table].parts == "rebuilt":
        lake.write(table, partition, rows)
    else:
        [part] = lake.parts(table, partition)
        part.unlink()
        lake.add(table, partition, part.stem, rows)
    seal(lake, settings, campaign)


def frame(table: str, rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Give rows the columns of a table."""
    schema = pl.DataFrame(TABLES[table].schema.empty_table()).schema
    blank: dict[str, Any] = {column.name: None for column in TABLES[table].columns if column.nullable}
    told = [blank | row for row in rows]
    return pl.DataFrame([{name: row[name] for name in schema} for row in told], schema=schema, infer_schema_length=None)


def write_spec(settings: Settings, version: str, **changes: Any) -> None:
    path = settings.folder / "releases" / f"{version}.yaml"
    path.write_text(yaml.safe_dump({**SPEC, "campaigns": ["small"], **changes}), encoding="utf-8")


def nothing_unmet(table: str, partition: Mapping[str, str]) -> list[str]:
    return []


def all_bytes(folder: Path) -> dict[str, bytes]:
    """Every file of a folder by path."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
