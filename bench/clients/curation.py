"""Steerworks' curation, without Dagster: `python -m bench.clients.curation FOLDER`.

Takes in ``prompts.jsonl`` and curates it, then ``added.jsonl``; prints seconds of each step, CPU seconds of each
file, the greatest memory of this process and its children together, and what was found of what was planted, as JSON.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dagster_project.curation import curate, deliver_prompts, take_in_prompts
from dagster_project.lake import Lake, Session
from dagster_project.settings import CurationFile, Home

EXPECTED = {
    "copy": ("duplicate",),
    "capitals": ("duplicate", "duplicate_normalised"),
    "changed": ("near_duplicate", "duplicate", "duplicate_normalised"),
    "code": ("code",),
    "address": ("personal_data",),
    "item": ("benchmark_overlap",),
    "fresh": (None,),
}
FOUND = """
select count(*) filter (where list_contains($reasons, coalesce(curated_prompts.reason, '-'))) / count(*)
from curated_prompts join raw_prompts using (intake_number)
where json_extract_string(raw_prompts.extra, '$.kind') = $kind
"""


class Memory:
    """Watches the memory of this process and all under it."""

    def __init__(self) -> None:
        self.most = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def end(self) -> float:
        """Return the most that they had at once, in MB."""
        self._ended.set()
        self._thread.join()
        return self.most

    def _watch(self) -> None:
        while not self._ended.wait(0.2):
            self.most = max(self.most, sum(map(_megabytes, _family(os.getpid()))))


def main(folder: Path) -> None:
    """Curate, and print the figures."""
    home = Home(folder / "home")
    lake = Lake(home.lake)
    sets = {"sets": [{"name": "bench", "file": str(folder / "benchmark.jsonl")}]}
    curation = CurationFile.model_validate({"completion_model": "any", "benchmarks": sets})
    figures: dict[str, float] = {}
    memory = Memory()
    for name in ("prompts", "added"):
        before = _processor_seconds()
        with _timed(figures, f"{name} deliver"):
            deliver_prompts(home, folder / f"{name}.jsonl", name, "bench", "CC0-1.0")
        with _timed(figures, f"{name} intake"):
            take_in_prompts(lake, home, name)
        with _timed(figures, f"{name} curate"):
            curate(lake, home, curation, name)
        figures[f"{name} cpu"] = _processor_seconds() - before
    figures["together"] = memory.end()
    print(json.dumps(figures | _found(lake)))


def _found(lake: Lake) -> dict[str, float]:
    with Session() as session:
        for table in ("raw_prompts", "curated_prompts"):
            session.table(lake, table)
        shares = {}
        for kind, reasons in EXPECTED.items():
            bound = {"kind": kind, "reasons": ["-" if reason is None else reason for reason in reasons]}
            row = session.connection.execute(FOUND, bound).fetchone()
            shares[f"found {kind}"] = float(row[0]) if row else 0.0
        return shares


@contextmanager
def _timed(figures: dict[str, float], name: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    figures[name] = time.perf_counter() - began


def _processor_seconds() -> float:
    """Return what this process took until now, and its children that have ended: user and system."""
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _family(process: int) -> Iterator[int]:
    yield process
    try:
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
        threads = [path.name for path in Path(f"/proc/{process}/task").iterdir() if path.name != str(process)]
        for thread in threads:
            children += Path(f"/proc/{process}/task/{thread}/children").read_text().split()
    except OSError:
        return
    for child in children:
        yield from _family(int(child))


def _megabytes(process: int) -> float:
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


if __name__ == "__main__":
    main(Path(sys.argv[1]))
