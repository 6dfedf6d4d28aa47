"""What a terminal shows while runs go on: the step at hand, a bar for each model, a line for what is done.

Where there is no terminal, each step is announced in a line and closed by another.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

import dagster as dg
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeRemainingColumn

from dagster_project.resources import ProgressResource


class TerminalProgress:
    """The steps of a run; use as a context manager around them."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._display = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[note]}"),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=console,
            transient=True,
        )
        self._models: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._display.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._display.stop()

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Show that a step goes on; when it is done, leave a line with the time it took."""
        begun = time.monotonic()
        if not self.console.is_terminal:
            self.console.print(f"… {name}", highlight=False)
        task = self._display.add_task(name, total=None, note="")
        try:
            yield
        finally:
            for finished in (task, *self._models.values()):
                self._display.remove_task(finished)
            self._models.clear()
        self.console.print(f"[green]✓[/] {name} [dim]{time.monotonic() - begun:.1f} s", highlight=False)

    def update(self, model: str, done: int, failed: int, total: int, cost_usd: float) -> None:
        """Move a model's bar."""
        if model not in self._models:
            self._models[model] = self._display.add_task(f"[cyan]{model}", total=total, note="")
        failures = f" [red]{failed} failed[/]" if failed else ""
        cost = f" {cost_usd:.2f} USD" if cost_usd else ""
        note = f"{done} of {total}{failures}{cost}"
        self._display.update(self._models[model], total=total, completed=done + failed, note=note)

    def waiting(self, message: str) -> None:
        """Say why nothing moves."""
        self.console.print(f"[yellow]{message}", highlight=False)


class TerminalProgressResource(ProgressResource):
    """Gives every step of this process the same terminal."""

    def __init__(self, terminal: TerminalProgress) -> None:
        self._terminal = terminal

    def reporter(self, log: dg.DagsterLogManager) -> TerminalProgress:  # noqa: ARG002 - the terminal shows it instead
        """Return the terminal."""
        return self._terminal
