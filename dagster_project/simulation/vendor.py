"""The simulated vendor at work: rounds from the outbox in, deliveries to the inbox out.

Belongs here: reading and writing the files, and the mishaps of a real vendor. Does not belong
here: the ratings (`judgement`) or the raters (`panel`). It knows the folders and nothing else.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from dagster_project.errors import SteerworksError
from dagster_project.identity import canonical_json, unit_interval
from dagster_project.simulation.judgement import Rubric, Task, flags_of, preference_of, scores_of
from dagster_project.simulation.panel import Demand, Worker, assign
from dagster_project.whole_files import write_text

Row = dict[str, Any]
FOLDER = "simulated"
EPOCH = datetime(2026, 1, 5, 8, tzinfo=UTC)
ROUND_DAYS = 7
MISHAPS = 4


def answer_outbox(outbox: Path, inbox: Path, seed: int = 1) -> list[Path]:
    """Rate every round under ``outbox/simulated/``; return the files written to ``inbox/simulated/``.

    Each round gives ``<campaign>-round-<n>.jsonl``; the first also ``<campaign>-round-1-corrections.csv``
    with a correction, a late row and an outdated one. The same outbox gives the same bytes, so that
    answering it again delivers nothing new.

    Raises:
        SteerworksError: a round's ``rubric.json`` is absent, or one of the files is not what
            Steerworks exports.
    """
    written: list[Path] = []
    for path in sorted((outbox / FOLDER).glob("*/round-*.jsonl")):
        campaign, tasks, rubric = path.parent.name, _read_tasks(path), _read_rubric(path.with_name("rubric.json"))
        rows = rate_round(tasks, rubric, seed)
        delivery = inbox / FOLDER / f"{campaign}-{path.stem}.jsonl"
        corrections: list[Row] = []
        if path.stem == "round-1":
            rows, corrections = with_mishaps(rows, rubric, seed)
        files = {delivery: "".join(canonical_json(row) + "\n" for row in rows)}
        if corrections:
            files[delivery.with_name(f"{delivery.stem}-corrections.csv")] = _as_csv(corrections)
        for file, text in files.items():
            write_text(file, text)
            written.append(file)
    return written


def rate_round(tasks: list[Task], rubric: Rubric, seed: int) -> list[Row]:
    """Return one row for each task, rater and response, in the order of tasks and raters."""
    raters = assign(
        [
            Demand(task["task_id"], task["round"], task["annotators"], frozenset(task["exclude_annotators"]))
            for task in tasks
        ],
        seed,
    )
    return [
        _row(task, response, worker, rubric, seed)
        for task in tasks
        for worker in raters[task["task_id"]]
        for response in task["responses"]
    ]


def with_mishaps(rows: list[Row], rubric: Rubric, seed: int) -> tuple[list[Row], list[Row]]:
    """Return the rows of the first delivery and those of the corrections, as far as there are rows for them.

    One row comes twice in the first; one is left out of it and comes late, with the corrections.
    Of two more the corrections bring a second revision, and an older state that changes nothing.
    """
    rated = [row for row in rows if not row["flags"]]
    picks = sorted(rated, key=lambda row: unit_interval(seed, "mishap", *_unit(row)))[:MISHAPS]
    if len(picks) < MISHAPS:
        return rows, []
    twice, late, corrected, outdated = picks
    first = [row for row in rows if row is not late] + [twice]
    return first, [_corrected(corrected, rubric), late, _outdated(outdated, rubric)]


def _row(task: Task, response: dict[str, Any], worker: Worker, rubric: Rubric, seed: int) -> Row:
    unit = (task["task_id"], response["response_id"], worker.name)
    flags = flags_of(task, response["response_id"], worker, rubric, seed)
    scores: dict[str, int | None] = dict.fromkeys(rubric.attributes)
    if not flags:
        scores.update(scores_of(task, response, worker, rubric, seed))
    strength, words = preference_of(task, worker, rubric, seed) or (None, None)
    started = timedelta(
        days=ROUND_DAYS * (task["round"] - 1), seconds=int(unit_interval(seed, "when", *unit) * 400_000)
    )
    return {
        "task_id": task["task_id"],
        "response_id": response["response_id"],
        "annotator": worker.name,
        **scores,
        "flags": flags,
        "preference": strength,
        "justification": words,
        "submitted_at": (EPOCH + started).isoformat(),
        "revision": 1,
        "withdrawn": False,
        "round": task["round"],
        "guideline_version": task["guideline_version"],
        "seconds": 30 + int(unit_interval(seed, "seconds", *unit) * 300),
        "simulated": True,
    }


def _unit(row: Row) -> tuple[str, str, str]:
    return row["task_id"], row["response_id"], row["annotator"]


def _corrected(row: Row, rubric: Rubric) -> Row:
    moment = datetime.fromisoformat(row["submitted_at"]) + timedelta(days=1)
    return {**_one_level_off(row, rubric), "submitted_at": moment.isoformat(), "revision": 2}


def _outdated(row: Row, rubric: Rubric) -> Row:
    moment = datetime.fromisoformat(row["submitted_at"]) - timedelta(hours=1)
    return {**_one_level_off(row, rubric), "submitted_at": moment.isoformat()}


def _one_level_off(row: Row, rubric: Rubric) -> Row:
    last = rubric.attributes[-1]
    return {**row, last: row[last] - 1 if row[last] > rubric.lowest else row[last] + 1}


def _read_tasks(path: Path) -> list[Task]:
    return [_parsed(path, line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def _read_rubric(path: Path) -> Rubric:
    if not path.exists():
        raise SteerworksError(f"{path}: no such file. Export the round again: it writes the rubric beside the tasks.")
    content = _parsed(path, path.read_text(encoding="utf-8"))
    try:
        return Rubric.from_json(content)
    except (KeyError, TypeError):
        raise SteerworksError(f"{path}: not a rubric that Steerworks exported. Export the round again.") from None


def _parsed(path: Path, text: str) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(text)
    except ValueError:
        raise SteerworksError(f"{path}: not JSON. Export the round again.") from None
    return content


def _as_csv(rows: Iterable[Row]) -> str:
    lines = [{**row, "flags": ";".join(row["flags"]), "withdrawn": "false", "simulated": "true"} for row in rows]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(lines[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()
