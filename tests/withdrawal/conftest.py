"""A small campaign that people rated, run through the real lineage to a release; each test gets a copy of its home."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from dagster_project.cli.launch import Launcher
from dagster_project.curation import deliver_prompts
from dagster_project.loopback.models import LoopbackModels, serve_models
from dagster_project.partitions import CellRange
from dagster_project.settings import PROJECT_ROOT, Home, Settings
from dagster_project.vendors import close, round_path
from dagster_project.vendors.identities import workers_of
from tests.installation import Installation

STEERWORKS = Path(sys.executable).with_name("steerworks")
KEY = "a key for tests"
VENDOR, CAMPAIGN, BATCH, VERSION = "acme", "desk", "letters", "v0.1.0"
WORKER = "ann.quill@acme.example"
OTHERS = ("bob.ink@acme.example", "cat.vellum@acme.example", "dan.nib@acme.example")
LATER = ("eve.blot@acme.example", "fay.reed@acme.example")
LETTER = "Write a farewell letter from Zebulon Quarkmeister to the harbour of Wexelby, in four short lines."
NEAR = "Rewrite a farewell letter from Zebulon Quarkmeister to the harbour of Wexelby, in five short lines."
SHOUTED = "write a farewell letter - from ZEBULON QUARKMEISTER to the harbour of Wexelby; in four short lines!!"
QUOTED = "Only the second one names Quarkmeister and the harbour."
FELLOWS = 11
"""Prompts of the starter set beside it."""
MULTI_TURN = ["Name three things that a lighthouse keeper does in winter.", "Tell me more about the second of them."]


@pytest.fixture(scope="session")
def models() -> Iterator[LoopbackModels]:
    with serve_models() as server:
        yield server


@pytest.fixture(scope="session")
def released(tmp_path_factory: pytest.TempPathFactory, models: LoopbackModels) -> Installation:
    """Prompts in, answers, tasks, ratings in two rounds, a closed campaign, a release; not to be touched."""
    root = tmp_path_factory.mktemp("released")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STEERWORKS_PSEUDONYM_KEY", KEY)
        patch.setenv("DAGSTER_HOME", str(root / "home" / "dagster"))
        one = Installation(Settings(_configured(root / "config", models.address), Home(root / "home")))
        _run(one, root)
    return one


@pytest.fixture
def one(released: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installation:
    """A copy of the installation, which the test may change."""
    return copied(released, tmp_path, monkeypatch)


def _configured(folder: Path, address: str) -> Path:
    shutil.copytree(PROJECT_ROOT / "config", folder, ignore=shutil.ignore_patterns("*.lock.json"))
    served = {"endpoint": "loopback", "revision": "1"}
    answering = {"sampling": {"max_tokens": 60}, "terms": {"licence": "CC0-1.0", "outputs_may_train": True}}
    content: dict[str, Any] = {
        "models.yaml": {
            "endpoints": {"loopback": {"base_url": address, "max_in_flight": 8}},
            "models": {name: {**served, "name": name, **answering} for name in ("alpha", "beta")},
            "curation_models": {
                "judge": {**served, "name": "judge", "sampling": {"max_tokens": 20}},
                "embedder": {**served, "name": "embedder"},
            },
        },
        "curation.yaml": {
            "completion_model": "alpha",
            "complexity": {"judge": "judge"},
            "topics": {"embedding_model": "embedder", "smallest": 3},
            "selection": {"target": 8},
        },
        "vendors.yaml": {"settle_seconds": 0, "vendors": {VENDOR: {"licence": "CC-BY-4.0"}}},
        "campaigns.yaml": {
            "campaigns": {
                CAMPAIGN: {
                    "vendor": VENDOR,
                    "guideline_version": "1.0",
                    "repeat_share": 0.4,
                    "pairing": {"prompt_batches": [BATCH], "pairs_per_prompt": 1, "seed": 3},
                }
            }
        },
        "publishing.yaml": {"repository": "somebody/letters"},
    }
    for name, fields in content.items():
        (folder / name).write_text(yaml.safe_dump(fields))
    for path in (folder / "releases").glob("*.yaml"):
        path.unlink()
    describe(folder, VERSION)
    return folder


def describe(folder: Path, version: str, **changes: Any) -> None:
    spec = {"name": "Letters", "licence": "cc-by-4.0", "campaigns": [CAMPAIGN], "validation_share": 0.3, **changes}
    (folder / "releases" / f"{version}.yaml").write_text(yaml.safe_dump(spec))


def prompt_rows() -> list[dict[str, Any]]:
    fellows = (PROJECT_ROOT / "prompts" / "starter.jsonl").read_text("utf-8").splitlines()[:FELLOWS]
    turns = [{"role": "user", "content": turn} for turn in MULTI_TURN]
    return [{"prompt": LETTER}, {"prompt": NEAR}, *map(json.loads, fellows), {"messages": turns}]


def as_lines(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def _run(one: Installation, root: Path) -> None:
    settings, launcher = one.settings, Launcher(one.settings)
    more = [{"prompt": SHOUTED}, {"prompt": "What do bees eat in May?"}]
    for batch, rows in {BATCH: prompt_rows(), "more": more}.items():
        path = root / f"{batch}.jsonl"
        path.write_text(as_lines(rows))
        deliver_prompts(one.home, path, batch, "a help desk", "CC0-1.0")
        launcher.prompts(batch)
    launcher.responses(CellRange(("alpha", "beta"), (BATCH,)))
    launcher.run("tasks", CAMPAIGN)
    secret = one.prompt_id(LETTER)
    tasks = exported(one, 1)
    about = set(one.lake.read("annotation_tasks").filter(prompt_id=secret)["task_id"])
    rows = [row for task in tasks for row in _ratings(task, (WORKER, *OTHERS[:2]), task["task_id"] in about)]
    broken = [{**rows[0], "helpfulness": 9, "annotator": name} for name in (WORKER, OTHERS[2])]
    inbox = one.home.inbox / VENDOR
    inbox.mkdir(parents=True)
    (inbox / "first.jsonl").write_text(as_lines([*rows[::2], *broken]))
    (inbox / "rest.csv.gz").write_bytes(gzip.compress(_as_csv(rows[1::2]).encode()))
    launcher.run("ratings", CAMPAIGN)
    again = [row for task in exported(one, 2) for row in _ratings(task, LATER, task["task_id"] in about)]
    (inbox / "again.jsonl").write_text(as_lines(again))
    launcher.run("ratings", CAMPAIGN)
    close(one.lake, settings, CAMPAIGN)
    launcher.run("consensus", CAMPAIGN)
    launcher.release(VERSION)


def exported(one: Installation, round_number: int) -> list[dict[str, Any]]:
    path = round_path(one.settings, CAMPAIGN, round_number)
    return [json.loads(line) for line in path.read_text().splitlines()]


def _ratings(task: dict[str, Any], workers: tuple[str, ...], quotes: bool) -> list[dict[str, Any]]:
    """Ratings that agree, but for the worker, who finds every third task worthless."""
    is_disputed = int(task["task_id"][-1], 16) % 3 == 0
    return [
        {
            "task_id": task["task_id"],
            "response_id": response["response_id"],
            "annotator": worker,
            "helpfulness": 0 if is_disputed and worker == WORKER else 4,
            "correctness": 3,
            "coherence": 3 + number % 2,
            "complexity": 1,
            "verbosity": 2,
            "flags": [],
            "preference": 1 + number % 2,
            "round": task["round"],
            "justification": QUOTED if quotes else "The second one is clearer.",
            "submitted_at": f"2026-03-0{1 + number}T09:00:00+00:00",
        }
        for number, worker in enumerate(workers)
        for response in task["responses"]
    ]


def _as_csv(rows: list[dict[str, Any]]) -> str:
    lines = [",".join(rows[0])]
    lines += [",".join(f'"{"" if value == [] else value}"' for value in row.values()) for row in rows]
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Traces:
    """What a home holds of the prompt and of the worker before they are withdrawn."""

    prompt_id: str
    answers: tuple[str, ...]
    response_ids: tuple[str, ...]
    task_ids: tuple[str, ...]
    pseudonym: str

    @property
    def texts(self) -> tuple[str, ...]:
        """What was said by the prompt's user, by models to it, and by annotators of it."""
        return (LETTER, SHOUTED, "in four short lines", QUOTED, *self.answers)

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids that go with it."""
        return (*self.response_ids, WORKER)


@pytest.fixture(scope="session")
def traces(released: Installation) -> Traces:
    lake, prompt_id = released.lake, released.prompt_id(LETTER)
    answers = lake.read("responses").filter(prompt_id=prompt_id)
    [pseudonym] = [name for name, worker in workers_of(released.home.vault, VENDOR).items() if worker == WORKER]
    tasks = lake.read("annotation_tasks").filter(prompt_id=prompt_id)["task_id"].unique().to_list()
    controls = lake.read("control_tasks").filter(pl.col("of_task_id").is_in(tasks))["task_id"].unique().to_list()
    assert tasks, "the prompt was not selected: it must be"
    return Traces(prompt_id, tuple(answers["response"]), tuple(answers["response_id"]), (*tasks, *controls), pseudonym)


@pytest.fixture(scope="session")
def withdrawn(released: Installation, traces: Traces, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """The installation after the prompt and the worker were withdrawn; not to be touched."""
    root = tmp_path_factory.mktemp("withdrawn")
    with pytest.MonkeyPatch.context() as patch:
        one = copied(released, root, patch)
        withdraw("prompt", traces.prompt_id)
        withdraw("worker", VENDOR, "-", said=f"{WORKER}\n")
    return one


@pytest.fixture
def afterwards(withdrawn: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installation:
    """A copy of it, which the test may change."""
    return copied(withdrawn, tmp_path, monkeypatch)


def copied(original: Installation, root: Path, patch: pytest.MonkeyPatch) -> Installation:
    """Copy an installation into a folder, and have the environment name it."""
    shutil.copytree(original.settings.folder, root / "config")
    shutil.copytree(original.home.root, root / "home")
    places = {"HOME": root / "home", "CONFIG": root / "config", "PSEUDONYM_KEY": KEY}
    for name, value in places.items():
        patch.setenv(f"STEERWORKS_{name}", str(value))
    patch.setenv("DAGSTER_HOME", str(root / "home" / "dagster"))
    return Installation(Settings(root / "config", Home(root / "home")))


def withdraw(*arguments: str, said: str | None = None) -> str:
    """Run `steerworks withdraw`; return what it printed."""
    command = [STEERWORKS, "withdraw", *arguments]
    result = subprocess.run(command, input=said, capture_output=True, text=True, check=False, timeout=900)
    assert result.returncode == 0, result.stderr
    return result.stdout
