"""What a terminal shows while runs go on: the step at hand, a bar for each model, a line for what is done.

Where there is no terminal, each step is announced in a line and closed by another.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeRemainingColumn

from dagster_project.resources import ProgressResource


@dataclass
class _Bar:
    """One model's bar. ``now`` is done, failed and total of the cell at hand, ``before`` of those before it."""

    task: TaskID
    before: tuple[int, int, int] = (0, 0, 0)
    now: tuple[int, int, int] = (0, 0, 0)
    cost_usd: float = 0.0

    def move(self, done: int, failed: int, total: int, cost_usd: float) -> None:
        """Take new figures of a cell; fewer settled than a moment ago are of the next cell."""
        if done + failed < self.now[0] + self.now[1]:
            self.before, self.now = self.sums, (0, 0, 0)
        self.now, self.cost_usd = (done, failed, total), cost_usd

    @property
    def sums(self) -> tuple[int, int, int]:
        """Done, failed and total over all cells so far."""
        done, failed, total = (then + now for then, now in zip(self.before, self.now, strict=True))
        return done, failed, total

    @property
    def note(self) -> str:
        """The figures in words."""
        done, failed, total = self.sums
        failures = f", [red]{failed} failed[/]" if failed else ""
        return f"{done} of {total}{failures}" + (f", {self.cost_usd:.2f} USD" if self.cost_usd else "")


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
        self._bars: dict[str, _Bar] = {}

    def __enter__(self) -> Self:
        self._display.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._display.stop()

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Show that a step goes on; when it is done, leave a line with its figures and the time it took."""
        begun = time.monotonic()
        if not self.console.is_terminal:
            self.console.print(f"… {name}", highlight=False)
        task = self._display.add_task(name, total=None, note="")
        try:
            yield
        except BaseException:
            self.console.print(f"[red]✗[/] {name}{self._notes()}", highlight=False)
            raise
        else:
            seconds = time.monotonic() - begun
            self.console.print(f"[green]✓[/] {name}{self._notes()} [dim]{seconds:.1f} s", highlight=False)
        finally:
            for finished in (task, *(bar.task for bar in self._bars.values())):
                self._display.remove_task(finished)
            self._bars.clear()

    def _notes(self) -> str:
        notes = "; ".join(bar.note for bar in self._bars.values())
        return f": {notes}" if notes else ""

    def update(self, model: str, done: int, failed: int, total: int, cost_usd: float) -> None:
        """Move a model's bar."""
        if model not in self._bars:
            self._bars[model] = _Bar(self._display.add_task(f"[cyan]{model}", total=total, note=""))
        bar = self._bars[model]
        bar.move(done, failed, total, cost_usd)
        settled, whole = bar.sums[0] + bar.sums[1], bar.sums[2]
        self._display.update(bar.task, total=whole, completed=settled, note=bar.note)

    def waiting(self, message: str) -> None:
        """Say why nothing moves."""
        self.console.print(message, style="yellow", highlight=False, markup=False)


class TerminalProgressResource(ProgressResource):
    """Gives every step of this process the same terminal."""

    def __init__(self, terminal: TerminalProgress) -> None:
        self._terminal = terminal

    def reporter(self, log: logging.Logger) -> TerminalProgress:  # noqa: ARG002 - the terminal shows it instead
        """Return the terminal."""
        return self._terminal
