"""Batches of prompts on known subjects, from the delivered file to the kept rows."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dagster_project.curation import curate, deliver_prompts, take_in_prompts
from dagster_project.lake import Lake
from dagster_project.settings import CurationFile, Home, ModelsFile

SUBJECTS = {
    "cooking": "bread oven flour knife onion soup recipe dough simmer salt pepper roast",
    "law": "contract tenant landlord lease court clause notice deposit rent judge rights eviction",
    "stars": "planet orbit telescope galaxy moon comet gravity light universe sun star eclipse",
    "garden": "soil seed plant beans compost prune tomato watering weeds hedge spring roses",
    "money": "mortgage loan bank interest savings budget tax pension invest fund shares debt",
    "sport": "football match goal team coach player league score training referee season cup",
}
OPENINGS = ("How do I", "Explain why", "Tell me about", "What is the best way with", "Compare these:", "List facts on")


FILTERS = ("licence", "language", "personal_data", "code", "identity", "unsafe", "not_self_contained")


def curation(**changes: Any) -> CurationFile:
    """A configuration under which every prompt goes on: the sentences of these batches are much alike."""
    let_pass = {"filters": {name: {"enabled": False} for name in FILTERS}, "duplicates": {"exclude": False}}
    return CurationFile.model_validate({"completion_model": "m", **let_pass, **changes})


def prompts_on(subjects: Sequence[str], count: int, seed: int) -> list[str]:
    """Prompts that share words within a subject, and openings over all of them."""
    draw = random.Random(seed)
    return [
        f"{draw.choice(OPENINGS)} {' '.join(draw.sample(SUBJECTS[subjects[number % len(subjects)]].split(), 8))} please"
        for number in range(count)
    ]


def subject_of(text: str) -> str:
    return next(subject for subject, words in SUBJECTS.items() if set(text.split()) & set(words.split()))


def keep(lake: Lake, home: Home, rows: Sequence[str | dict[str, Any]], batch: str, source: str = "test") -> None:
    """Take prompts in as a batch, and curate them."""
    path = Path(home.root) / f"{batch}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps({"prompt": row} if isinstance(row, str) else row) + "\n" for row in rows))
    deliver_prompts(home, path, batch, source, "CC0-1.0")
    take_in_prompts(lake, home, batch)
    curate(lake, home, curation(), batch)


def models_at(address: str, **model: Any) -> ModelsFile:
    """A model `m` that answers, and for curation `judge`, `embedder` and `likely`, all at one address."""
    served = {"endpoint": "loopback", "name": "simulated-model", "revision": "1", **model}
    answering = {"sampling": {"max_tokens": 50}, "terms": {"licence": "CC0-1.0", "outputs_may_train": True}}
    return ModelsFile.model_validate(
        {
            "endpoints": {"loopback": {"base_url": address, "max_in_flight": 32, "timeout_seconds": 20}},
            "models": {"m": served | answering},
            "curation_models": {
                "judge": served | {"sampling": {"max_tokens": 20}},
                "embedder": served,
                "likely": served,
            },
        }
    ).for_curation()
