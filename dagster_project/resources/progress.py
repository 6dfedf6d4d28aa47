"""How far generation has come, said in the run's log; the command line shows bars instead."""

from __future__ import annotations

import logging
import time

from dagster_project.generation import Progress

SECONDS_BETWEEN_LINES = 10.0


class LogProgress:
    """Writes a line to the run's log every few seconds, and one at the end."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._last = time.monotonic()

    def update(self, model: str, done: int, failed: int, total: int, cost_usd: float) -> None:
        """Log the figures if the last line is old enough, or if all is done."""
        now = time.monotonic()
        if done + failed >= total or now - self._last >= SECONDS_BETWEEN_LINES:
            self._last = now
            self._log.info(f"{model}: {done} of {total} answered, {failed} failed, {cost_usd:.4f} USD")

    def waiting(self, message: str) -> None:
        """Log why nothing happens."""
        self._log.info(message)


class ProgressResource:
    """Where generation reports; another one can be given to `build_defs`.

    A plain object, asked for as ``ResourceParam[ProgressResource]``: it has no configuration, and the
    one of the command line holds a terminal.
    """

    def reporter(self, log: logging.Logger) -> Progress:
        """Return a reporter for one step, which may write to its log."""
        return LogProgress(log)
