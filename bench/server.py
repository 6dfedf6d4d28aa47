"""The loopback server in a process of its own, and its counters."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from bench.processes import Running, environment, python

Behaviour = Mapping[str, float]
"""Fields of `dagster_project.loopback.models.Behaviour`."""
POLL_SECONDS = 0.02
SECONDS_BETWEEN_SAMPLES = 0.25
SECONDS_TO_SETTLE = 2.0
"""After the first request: some modules are loaded only then, by whichever client has not loaded them before."""
NO_FAULT = ("200", "400", "gone")
"""Requests that were answered, refused for good, or left by a client that went away; after others a try is due."""
_FIRST_LINE = re.compile(r"at (\S+), counters at (\S+)")


@dataclass(frozen=True)
class Counters:
    """What the server has counted."""

    requests: int
    distinct: int
    statuses: Mapping[str, int]
    max_in_flight: int

    @property
    def throttled(self) -> int:
        """How many requests were turned away with 429."""
        return self.statuses.get("429", 0)

    @property
    def resent(self) -> int:
        """How many came again though nothing had gone wrong with them but that the client forgot or went away."""
        return max(0, sum(self.statuses.get(status, 0) for status in NO_FAULT) - self.distinct)


@dataclass(frozen=True)
class Server:
    """A running server; ``address`` is the ``base_url`` for models.yaml."""

    address: str
    counters_url: str

    def counters(self) -> Counters:
        """Ask for the counters."""
        with urllib.request.urlopen(self.counters_url, timeout=60) as reply:  # noqa: S310 - loopback
            told = json.load(reply)
        return Counters(told["requests"], told["distinct"], told["statuses"], told["max_in_flight"])


@contextmanager
def serve(behaviour: Behaviour) -> Iterator[Server]:
    """Run a server that behaves so, for as long as the context lasts."""
    options = [f"--{name.replace('_', '-')}={value:g}" for name, value in behaviour.items()]
    process = subprocess.Popen(
        python("dagster_project.loopback.models", "--port", "0", *options),
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    try:
        line = process.stdout.readline() if process.stdout else ""
        said = _FIRST_LINE.search(line)
        if not said:
            raise RuntimeError(f"the loopback server did not start: {line}")
        yield Server(said[1], said[2])
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        if process.stdout:
            process.stdout.close()


@dataclass(frozen=True)
class Sample:
    """What there was at one moment: requests that had ended, and CPU seconds that their client had taken."""

    requests: int
    cpu: float


class Watch:
    """Watches, in a thread, a client and a server that nobody has asked yet.

    Attributes:
        first_request: when the first request came, by `perf_counter`.
    """

    def __init__(self, server: Server, client: Running) -> None:
        self.first_request: float | None = None
        self._server = server
        self._client = client
        self._samples: list[Sample] = []
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop watching."""
        self._stopped.set()
        self._thread.join()

    @property
    def cpu_a_request(self) -> float | None:
        """CPU seconds for each request that ended from soon after the first one to the last look that found more.

        What the client does before it asks and after it has asked does not count. None if it asked too briefly.
        """
        if not self._samples or self._samples[-1].requests == self._samples[0].requests:
            return None
        first, last = self._samples[0], self._samples[-1]
        return (last.cpu - first.cpu) / (last.requests - first.requests)

    def _watch(self) -> None:
        while self.first_request is None and not self._stopped.wait(POLL_SECONDS):
            if self._server.counters().max_in_flight:
                self.first_request = time.perf_counter()
        self._stopped.wait(SECONDS_TO_SETTLE)
        while not self._stopped.wait(SECONDS_BETWEEN_SAMPLES):
            requests, cpu = self._server.counters().requests, self._client.cpu_so_far()
            if cpu is not None and requests and (not self._samples or requests > self._samples[-1].requests):
                self._samples = [*self._samples[:1], Sample(requests, cpu)]
