"""Selected prompts, models at the loopback server, and a progress that remembers."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from dagster_project.generation import CellProgress, conversation_hash
from dagster_project.identity import stable_id
from dagster_project.lake import TABLES, Lake
from dagster_project.settings import ModelsFile

BATCH = "b1"


@dataclass
class Recorder:
    """A progress that remembers what it was told."""

    updates: list[tuple[str, int, int, int, float]] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)

    def update(self, cell: CellProgress) -> None:
        self.updates.append((cell.model, cell.done, cell.failed, cell.total, cell.cost_usd))

    def waiting(self, message: str) -> None:
        self.messages.append(message)

    def spent(self, usd: float, ran_short: bool) -> None:
        """Only whole runs say so."""


def write_prompts(lake: Lake, texts: Sequence[str], batch: str = BATCH) -> None:
    first_at = {text: number for number, text in reversed([*enumerate(texts, start=1)])}
    rows = [
        {
            "prompt_batch": batch,
            "prompt_id": stable_id("p", [text, number] if number > first_at[text] else text),
            "intake_number": number,
            "source": "test",
            "licence": "CC0-1.0",
            "messages": (messages := [{"role": "user", "content": text}]),
            "conversation_hash": conversation_hash(messages),
            "turns": 1,
            "selected": not text.startswith("unselected"),
            "reason": "not_sampled" if text.startswith("unselected") else None,
            "completion_model": None,
            "completion_licence": None,
            "completion_may_train": None,
        }
        for number, text in enumerate(texts, start=1)
    ]
    table = pa.Table.from_pylist(rows, TABLES["selected_prompts"].schema)
    lake.write("selected_prompts", {"prompt_batch": batch}, table)


def start_process(lake: Lake, models: ModelsFile, model: str = "m", batch: str = BATCH) -> subprocess.Popen[bytes]:
    """Answer a cell in a process of its own."""
    script = Path(__file__).with_name("cell_process.py")
    arguments = [str(lake.root), models.model_dump_json(), model, batch]
    environment = os.environ | {"PYTHONPATH": str(script.parents[2])}
    return subprocess.Popen([sys.executable, script, *arguments], env=environment)


def until(condition: Callable[[], bool], seconds: float = 40) -> None:
    """Wait until something has come to pass."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.01)


def loopback_models(address: str, endpoint: dict[str, Any] | None = None, **model: Any) -> ModelsFile:
    """One model `m` (and its twin `n`) at an address; keywords replace fields of the model."""
    spec = {
        "endpoint": "loopback",
        "name": "simulated-model",
        "revision": "1",
        "sampling": {"max_tokens": 50, "temperature": 0.5},
        "terms": {"licence": "CC0-1.0", "outputs_may_train": True},
    } | model
    served = {"base_url": address, "max_in_flight": 32, "timeout_seconds": 20} | (endpoint or {})
    return ModelsFile.model_validate({"endpoints": {"loopback": served}, "models": {"m": spec, "n": spec}})
