"""Rows that tests of the vendor half are made of: prompts, answers, and one annotator's ratings."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from dagster_project.generation import conversation_hash
from dagster_project.identity import stable_id
from dagster_project.lake import TABLES, Lake

BATCH = "starter"
MODELS = ("smollm2-135m-plain", "smollm2-135m-warm", "smollm2-135m-brief")
WORDS = [start + end for start in ("riv", "gard", "mirr", "lant", "pepp") for end in ("er", "en", "or", "als", "ic")]


def sentence(dice: random.Random, words: int) -> str:
    return " ".join(dice.choice(WORDS) for _ in range(words)).capitalize() + dice.choice([".", ".", ".", " and"])


def prompt_row(number: int, batch: str = BATCH) -> dict[str, Any]:
    messages = [{"role": "user", "content": f"Question {number}: {sentence(random.Random(number), 12)}"}]
    return {
        "prompt_batch": batch,
        "prompt_id": stable_id("p", messages),
        "intake_number": number,
        "source": "tests",
        "licence": "CC0-1.0",
        "messages": messages,
        "conversation_hash": conversation_hash(messages),
        "turns": 1,
        "selected": True,
        "reason": None,
        "completion_model": None,
        "completion_licence": None,
        "completion_may_train": None,
    }


def response_row(model: str, prompt: dict[str, Any], status: str = "ok") -> dict[str, Any]:
    dice = random.Random(f"{model} {prompt['prompt_id']}")
    own = sentence(dice, dice.randrange(8, 70))
    return {
        "model": model,
        "prompt_batch": prompt["prompt_batch"],
        "prompt_id": prompt["prompt_id"],
        "conversation_hash": prompt["conversation_hash"],
        "sample_index": 0,
        "response_id": stable_id("r", [model, prompt["prompt_id"]]),
        "request_hash": stable_id("q", [model, prompt["prompt_id"]]),
        "status": status,
        "reason": None if status == "ok" else "timeout",
        "response": own if status == "ok" else None,
        "finish_reason": "stop",
        "prompt_tokens": 10,
        "completion_tokens": 20,
        "cost_usd": 0.0,
        "model_name": f"hub-name-of-{model}",
        "revision": "r1",
        "parameters": "{}",
        "licence": "Apache-2.0",
        "outputs_may_train": True,
        "attempts": 1,
        "seconds": 0.5,
        "answered_at": datetime(2026, 1, 1, tzinfo=UTC),
    }


def write_inputs(lake: Lake, prompts: list[dict[str, Any]], models: Iterable[str] = MODELS, status: str = "ok") -> None:
    batch = prompts[0]["prompt_batch"]
    schema = TABLES["selected_prompts"].schema
    lake.write("selected_prompts", {"prompt_batch": batch}, _frame(prompts, schema))
    for model in models:
        rows = [response_row(model, prompt, status) for prompt in prompts]
        lake.write("responses", {"model": model, "prompt_batch": batch}, _frame(rows, TABLES["responses"].schema))


def _frame(rows: list[dict[str, Any]], schema: Any) -> Any:
    return pa.Table.from_pylist(rows, schema=schema)


def exported_tasks(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().split("\n") if line]


def rating(task: dict[str, Any], response: int = 0, **changes: Any) -> dict[str, Any]:
    """One canonical row of a human vendor for an exported task."""
    row = {
        "task_id": task["task_id"],
        "response_id": task["responses"][response]["response_id"],
        "annotator": "wanda.worker@example.org",
        "helpfulness": 3,
        "correctness": 3,
        "coherence": 4,
        "complexity": 1,
        "verbosity": 2,
        "flags": [],
        "preference": -2,
        "justification": "The first one is right.",
        "submitted_at": "2026-03-01T14:05:00+01:00",
    }
    return {name: value for name, value in {**row, **changes}.items() if value != "absent"}


def fates(lake: Lake, campaign: str) -> dict[str, int]:
    return dict(lake.read("annotation_fates", {"campaign": campaign}).group_by("fate").len().iter_rows())
