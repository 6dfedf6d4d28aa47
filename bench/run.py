"""One run of the benchmark: its options, its folders, and asking by one client on one server.

Each client gets a server of its own that behaves alike, so that both meet the same faults and the counters are of one
client alone.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.figures import Figures
from bench.processes import Finished, Running, python, run_well
from bench.server import Behaviour, Counters, Server, Watch, serve
from bench.workload import Workload

SMALLEST = 20
OTHER_CLIENTS = {"bare": "bench.clients.bare", "openai": "bench.clients.plain_openai"}
CPU = "CPU ms a request"


@dataclass(frozen=True)
class Asked:
    """What asking took, and what the server counted meanwhile."""

    finished: Finished
    counters: Counters
    first_request: float | None = None
    cpu_a_request: float | None = None

    @property
    def figures(self) -> dict[str, float]:
        """The figures that every client has."""
        asking = {}
        if self.first_request is not None:
            asking = {"first": self.first_request, "asking": self.finished.wall - self.first_request}
        if self.cpu_a_request is not None:
            asking[CPU] = self.cpu_a_request * 1000
        return {
            "wall": self.finished.wall,
            "cpu": self.finished.cpu,
            "rss": self.finished.rss,
            **asking,
            "sent": self.counters.requests,
            "429s": self.counters.throttled,
            "re-sent": self.counters.resent,
        }


@dataclass
class Run:
    """Options and folders."""

    root: Path
    scale: float = 1.0
    full: bool = False
    beside: tuple[str, ...] = ()
    _folders: int = 0

    def size(self, count: int) -> int:
        """Return a number of prompts at this run's scale."""
        return max(SMALLEST, round(count * self.scale))

    def prepared(self, workload: Workload) -> Path:
        """Return a folder with the lake and the bodies of a workload; it is only read."""
        numbers = (workload.prompts, workload.batches, workload.models, workload.edited, workload.max_tokens)
        folder = self.root / ("prepared-" + "-".join(map(str, numbers)))
        if not folder.exists():
            folder.mkdir()
            prepare(folder, workload)
        return folder

    def fresh(self, workload: Workload) -> Path:
        """Return a folder of its own with a copy of a workload's lake, where nothing is answered yet."""
        self._folders += 1
        folder = self.root / f"lake-{self._folders}"
        shutil.copytree(self.prepared(workload) / "lake", folder / "lake")
        return folder

    def fresh_home(self, workload: Workload) -> Path:
        """Return a home with the workload's prompts and partitions."""
        self._folders += 1
        folder = self.root / f"home-{self._folders}"
        folder.mkdir()
        prepare(folder, workload, "--home")
        return folder

    def loop(self, workload: Workload, in_flight: int, behaviour: Behaviour) -> tuple[dict[str, float], str]:
        """Have Steerworks, without Dagster, answer one cell of a new lake; return figures, and what went wrong."""
        folder = self.fresh(workload)
        with serve(behaviour) as server:
            configure(folder, workload, server, in_flight)
            asked = ask(server, steerworks_client(folder, workload))
        figures = {**asked.figures, **audited(folder, workload)}
        self.discard(folder)
        return figures, asked.finished.problem

    def others(self, workload: Workload, in_flight: int, behaviour: Behaviour) -> dict[str, Figures]:
        """Have each of the other clients ask the same of a server that behaves the same."""
        return {name: self._other(name, workload, in_flight, behaviour) for name in ("bare", *self.beside)}

    def discard(self, folder: Path) -> None:
        """Remove a folder that is not needed any more: a million answers take room."""
        shutil.rmtree(folder)

    def _other(self, name: str, workload: Workload, in_flight: int, behaviour: Behaviour) -> Figures:
        bodies = self.prepared(workload) / "bodies.jsonl"
        with serve(behaviour) as server:
            asked = ask(server, python(OTHER_CLIENTS[name], server.address, str(bodies), str(in_flight)))
        told = json.loads(asked.finished.output or "{}")
        return {**asked.figures, "lost": workload.requests - told.get("ok", 0) - told.get("refused", 0)}


def prepare(folder: Path, workload: Workload, *options: str) -> None:
    """Write a workload's prompts into a folder; prompts that are there are replaced."""
    run_well(python("bench.prepare", str(folder), workload.to_json(), *options))


def configure(folder: Path, workload: Workload, server: Server, in_flight: int) -> None:
    """Write the folder's models.yaml (JSON is YAML), for a server that runs."""
    (folder / "config").mkdir(exist_ok=True)
    models = workload.models_file(server.address, in_flight)
    (folder / "config" / "models.yaml").write_text(json.dumps(models, indent=1))


def steerworks_client(folder: Path, workload: Workload) -> list[str]:
    """Return the command line of Steerworks without Dagster, for the first cell of a workload."""
    return python("bench.clients.steerworks", str(folder), workload.slugs[0], workload.batch_names[0])


def ask(server: Server, command: list[str], extra_environment: Mapping[str, str] | None = None) -> Asked:
    """Run a client, the first one that this server serves, to its end."""
    with Running(command, extra_environment) as running:
        watch = Watch(server, running)
        try:
            finished = running.wait()
        finally:
            watch.stop()
    first_request = None if watch.first_request is None else watch.first_request - running.began
    return Asked(finished, server.counters(), first_request, watch.cpu_a_request)


def audited(folder: Path, workload: Workload) -> dict[str, float]:
    """Compare a folder's answers with what was wanted.

    A request that the server refuses for good (400) is not lost if its row says so.
    """
    found: dict[str, Any] = json.loads(run_well(python("bench.audit", str(folder), workload.to_json())))
    refused = found["failed"].get("http_400", 0)
    return {
        "ok": found["ok"],
        "refused": refused,
        "lost": found["wanted"] - found["ok"] - found["stale"] - refused,
        "stale": found["stale"] + found["twice"],
    }
