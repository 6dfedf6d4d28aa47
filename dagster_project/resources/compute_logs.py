"""Dagster's logs of what steps print, which Ctrl-C leaves whole.

In a terminal Ctrl-C reaches all processes of a command, and so the helpers by which Dagster shows what a step prints:
one ended with a traceback of its own, and another with what the step had still to say about stopping.

Belongs here: how these helpers are started; dagster.yaml names it. Does not belong here: what is printed.
"""

from __future__ import annotations

import signal
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from dagster._core.storage.compute_log_manager import CapturedLogContext
from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager
from dagster._serdes import ConfigurableClassData


class WholeComputeLogs(LocalComputeLogManager):
    """Dagster's local compute logs, in a folder `storage` as by default; helpers hear no Ctrl-C."""

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> WholeComputeLogs:
        """Return what dagster.yaml describes."""
        return cls(str(Path(config_value["base_dir"]) / "storage"), inst_data=inst_data)

    @contextmanager
    def capture_logs(self, log_key: Sequence[str]) -> Generator[CapturedLogContext, None, None]:
        """Capture what is printed within the block."""
        with ExitStack() as captured:
            with _interrupts_held_back():
                context = captured.enter_context(super().capture_logs(log_key))
            yield context


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Let SIGINT wait until the block ends; processes that are started within it let it wait for good."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
