"""How far generation has come, said in the run's log; the command line shows bars instead."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dagster_project.generation import CellProgress, Progress

SECONDS_BETWEEN_LINES = 10.0


class LogProgress:
    """Writes a line for a cell to the run's log every few seconds, and one when it is whole."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._last: dict[tuple[str, str], float] = {}

    def update(self, cell: CellProgress) -> None:
        """Log the figures if the cell's last line is old enough, or if all is done."""
        now, key = time.monotonic(), (cell.model, cell.prompt_batch)
        if cell.is_over or now - self._last.setdefault(key, now) >= SECONDS_BETWEEN_LINES:
            self._last[key] = now
            out = f"{cell.in_batches} out in batches, " if cell.in_batches else ""
            self._log.info(
                f"{cell.model}, {cell.prompt_batch}: {cell.done} of {cell.total} answered, {cell.failed} failed, "
                f"{out}{cell.cost_usd:.4f} USD"
            )

    def waiting(self, message: str) -> None:
        """Log why nothing happens."""
        self._log.info(message)

    def spent(self, usd: float, ran_short: bool) -> None:
        """Log what the run spent."""
        if usd:
            end = "; its `max_usd` left requests unasked" if ran_short else ""
            self._log.info(f"this run spent {usd:.4f} USD, with what is booked for batches that are out{end}")


class ProgressResource:
    """Where generation reports; another one can be given to `build_defs`.

    A plain object, asked for as ``ResourceParam[ProgressResource]``: it has no configuration, and the
    one of the command line holds a terminal.
    """

    def reporter(self, log: logging.Logger) -> Progress:
        """Return a reporter for one step, which may write to its log."""
        return LogProgress(log)
