"""Selected prompts, models at the loopback server, and a progress that remembers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from dagster_project.generation import conversation_hash
from dagster_project.identity import stable_id
from dagster_project.lake import TABLES, Lake
from dagster_project.settings import ModelsFile

BATCH = "b1"


@dataclass
class Recorder:
    """A progress that remembers what it was told."""

    updates: list[tuple[str, int, int, int, float]] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)

    def update(self, model: str, done: int, failed: int, total: int, cost_usd: float) -> None:
        self.updates.append((model, done, failed, total, cost_usd))

    def waiting(self, message: str) -> None:
        self.messages.append(message)


def write_prompts(lake: Lake, texts: Sequence[str], batch: str = BATCH) -> None:
    rows = [
        {
            "prompt_batch": batch,
            "prompt_id": stable_id("p", text),
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
