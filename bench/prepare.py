"""Lays out what a client reads: `python -m bench.prepare FOLDER WORKLOAD [--home]`.

``FOLDER/lake`` gets `selected_prompts`, ``FOLDER/bodies.jsonl`` the bodies of all requests; ``--home`` makes the
folder a home with a configuration and registered partitions, for the `steerworks` command.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa

from bench.workload import Workload
from dagster_project.generation import conversation_hash
from dagster_project.identity import stable_id
from dagster_project.lake import TABLES, Lake
from dagster_project.settings import PROJECT_ROOT, Home


def prompt_id(batch: str, number: int) -> str:
    """Return the id of a prompt, which stays when its text is edited."""
    return stable_id("p", [batch, number])


def write_prompts(lake: Lake, workload: Workload) -> None:
    """Write all batches to `selected_prompts`."""
    for batch in workload.batch_names:
        rows = [_row(workload, batch, number) for number in range(workload.prompts)]
        table = pa.Table.from_pylist(rows, TABLES["selected_prompts"].schema)
        lake.write("selected_prompts", {"prompt_batch": batch}, table)


def write_bodies(path: Path, workload: Workload) -> None:
    """Write the bodies of all requests, one a line."""
    with path.open("w") as file:
        for slug, batch in workload.cells():
            for number in range(workload.prompts):
                file.write(json.dumps(workload.body(slug, batch, number)) + "\n")


def make_home(folder: Path, workload: Workload) -> None:
    """Give a home its configuration, but for models.yaml, and its partitions."""
    import dagster as dg  # noqa: PLC0415 - loads slowly, and few cases need it

    from dagster_project.cli.launch import prepare_dagster_home  # noqa: PLC0415 - loads dagster
    from dagster_project.partitions import PROMPT_BATCHES  # noqa: PLC0415 - loads dagster

    shutil.copytree(PROJECT_ROOT / "config", folder / "config", ignore=shutil.ignore_patterns("*.lock.json"))
    (folder / "config" / "curation.yaml").write_text(json.dumps({"completion_model": workload.slugs[0]}))
    os.environ.pop("DAGSTER_HOME", None)
    prepare_dagster_home(Home(folder))
    with dg.DagsterInstance.get() as instance:
        instance.add_dynamic_partitions(PROMPT_BATCHES.name or "", workload.batch_names)


def _row(workload: Workload, batch: str, number: int) -> dict[str, Any]:
    messages = [{"role": "user", "content": workload.text(batch, number)}]
    return {
        "prompt_batch": batch,
        "prompt_id": prompt_id(batch, number),
        "intake_number": number + 1,
        "source": "bench",
        "licence": "CC0-1.0",
        "messages": messages,
        "conversation_hash": conversation_hash(messages),
        "turns": 1,
        "selected": True,
    }


if __name__ == "__main__":
    target, asked = Path(sys.argv[1]), Workload.from_json(sys.argv[2])
    write_prompts(Lake(target / "lake"), asked)
    write_bodies(target / "bodies.jsonl", asked)
    if "--home" in sys.argv:
        make_home(target, asked)
