"""Lays out a delivery, and takes it in: `python -m bench.clients.intake prepare|take FOLDER [ROWS ANNOTATORS]`."""

from __future__ import annotations

import json
import os
import random
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from dagster_project.lake import TABLES, Lake
from dagster_project.settings import PROJECT_ROOT, Home, Settings
from dagster_project.vendors import take_in

WORKERS = 400
VENDORS = "vendors:\n  acme: {licence: CC-BY-4.0}\nsettle_seconds: 0\n"
CAMPAIGN = "campaigns:\n  bench:\n    vendor: acme\n    guideline_version: '1'\n    pairing: {prompt_batches: [b]}\n"


def settings_in(folder: Path) -> Settings:
    """Return the settings of the benchmark's home."""
    os.environ["STEERWORKS_PSEUDONYM_KEY"] = "of the benchmark"
    return Settings(folder / "config", Home(folder / "home"))


def prepare(folder: Path, rows: int, annotators: int) -> Path:
    """Lay out configuration, frozen tasks of two responses, and a file of rows in the inbox; return the file."""
    shutil.copytree(PROJECT_ROOT / "config", folder / "config")
    (folder / "config" / "vendors.yaml").write_text(VENDORS)
    (folder / "config" / "campaigns.yaml").write_text(CAMPAIGN)
    settings = settings_in(folder)
    tasks = -(-rows // (2 * annotators))
    Lake(settings.home.lake).add("annotation_tasks", {"campaign": "bench"}, "tasks", _frozen(settings, tasks))
    path = settings.home.inbox / "acme" / "wide.jsonl"
    path.parent.mkdir(parents=True)
    with path.open("w") as file:
        file.writelines(_lines(rows, annotators, settings.rubric_of("bench").names))
    return path


def _frozen(settings: Settings, tasks: int) -> pa.Table:
    common = {
        "campaign": "bench",
        "vendor": "acme",
        "guideline_version": "1",
        "annotators": 3,
        "rubric_hash": settings.rubric_of("bench").shape_hash,
        "prompt_id": "p",
        "response": ".",
        "messages": [],
        "source": "bench",
        "source_licence": "CC0-1.0",
    }
    columns = {name: [common.get(name)] * (2 * tasks) for name in TABLES["annotation_tasks"].column_names}
    columns["task_id"] = [_task(number) for number in range(tasks) for _ in range(2)]
    columns["response_id"] = [_response(number, side) for number in range(tasks) for side in range(2)]
    columns["position"] = [1, 2] * tasks
    return pa.table(columns, schema=TABLES["annotation_tasks"].schema)


def _lines(rows: int, annotators: int, attributes: list[str]) -> Iterator[str]:
    ratings = _ratings(attributes)
    for row in range(rows):
        task, seat, side = row // (2 * annotators), row // 2 % annotators, row % 2
        # put together by hand: of thirteen million rows, `json.dumps` alone takes minutes
        yield (
            f'{{"task_id": "{_task(task)}", "response_id": "{_response(task, side)}", '
            f'"annotator": "worker-{(task * annotators + seat) % WORKERS}@example.org", {ratings[row % len(ratings)]}, '
            f'"justification": "The first reply is more to the point, in {row} ways.", "round": 1, '
            f'"submitted_at": "2026-03-{1 + row % 28:02}T14:{row % 60:02}:05+00:00", "seconds": 41.5}}\n'
        )


def _ratings(attributes: list[str]) -> list[str]:
    """Return random ratings as they stand in a line of JSON."""
    dice = random.Random(1)  # noqa: S311 - no secret
    drawn = [
        {name: dice.randrange(5) for name in attributes}
        | {"flags": [], "preference": dice.choice([-3, -2, -1, 1, 2, 3])}
        for _ in range(1009)
    ]
    return [json.dumps(ratings)[1:-1] for ratings in drawn]


def _task(number: int) -> str:
    return f"t-{number:020x}"


def _response(number: int, side: int) -> str:
    return f"r-{number:019x}{side}"


if __name__ == "__main__":
    if sys.argv[1] == "prepare":
        print(prepare(Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])))
    else:
        here = settings_in(Path(sys.argv[2]))
        [report] = take_in(Lake(here.home.lake), here, "acme")
        print(json.dumps({"accepted": report.accepted, "quarantined": report.quarantined}))
