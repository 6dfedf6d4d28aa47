"""What a terminal shows while runs go on: the step at hand, a bar for each model, a line for what is done.

Where there is no terminal, each step is announced in a line and closed by another, with one for each model now and then
in between.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeRemainingColumn

from dagster_project.generation import CellProgress
from dagster_project.resources import ProgressResource

SECONDS_BETWEEN_LINES = 30.0
"""Of one model, where there is no terminal."""


class _Bar:
    """One model's bar, over all its cells."""

    def __init__(self, task: TaskID) -> None:
        self.task = task
        self._cells: dict[str, CellProgress] = {}
        self._begun = self._said_at = self._moved_at = time.monotonic()

    def move(self, cell: CellProgress) -> None:
        """Take new figures of a cell."""
        self._cells[cell.prompt_batch] = cell
        self._moved_at = time.monotonic()

    def is_due(self) -> bool:
        """Say whether a line about it is due, and take it as said."""
        now = time.monotonic()
        if now - self._said_at < SECONDS_BETWEEN_LINES:
            return False
        self._said_at = now
        return True

    @property
    def settled(self) -> int:
        """Answered or failed."""
        return sum(cell.done + cell.failed for cell in self._cells.values())

    @property
    def total(self) -> int:
        """All that is wanted, of the cells that were begun."""
        return sum(cell.total for cell in self._cells.values())

    @property
    def note(self) -> str:
        """The figures in words."""
        cells = self._cells.values()
        failed = sum(cell.failed for cell in cells)
        cost = sum(cell.cost_usd for cell in cells)
        short, out = sum(cell.out_of_money for cell in cells), sum(cell.in_batches for cell in cells)
        words = [f"{self.settled - failed} of {self.total}"]
        if failed > short:
            words.append(f"[red]{failed - short} failed[/]")
        if short:
            words.append(f"[yellow]{short} left for want of money[/]")
        if out:
            words.append(f"[cyan]{out} out in batches[/]")
        if self._rate:
            words.append(f"{self._rate:.1f}/s")
        if cost:
            words.append(f"{cost:.2f} USD")
        return ", ".join(words)

    @property
    def time_left(self) -> str:
        """How long the cells that were begun still take, as h:mm:ss; nothing as long as that cannot be said."""
        if not self._rate:
            return ""
        under_way = self.total - self.settled - sum(cell.in_batches for cell in self._cells.values())
        return str(timedelta(seconds=round(under_way / self._rate)))

    @property
    def _rate(self) -> float:
        """Requests that this run settled, a second, until nothing was left to settle."""
        until = self._moved_at if self.settled >= self.total else time.monotonic()
        return sum(cell.asked for cell in self._cells.values()) / max(until - self._begun, 0.1)


class TerminalProgress:
    """The steps of a command; use as a context manager around them.

    Attributes:
        spent_usd: what the command's runs have spent on models, in US dollars.
        ran_short: whether the limit of the last of these runs left requests unasked.
    """

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
        self.spent_usd = 0.0
        self.ran_short = False

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self._display.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.console.is_terminal:
            self._display.stop()

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Show that a step goes on; when it is done, leave a line with its figures and the time it took."""
        begun, self.ran_short = time.monotonic(), False
        if not self.console.is_terminal:
            self.console.print(f"… {name}", highlight=False)
        task = self._display.add_task(name, total=None, note="")
        try:
            yield
        except BaseException:
            self.console.print(f"[red]✗[/] {name}{self._note}", highlight=False)
            self._print_notes()
            raise
        else:
            seconds = time.monotonic() - begun
            self.console.print(f"[green]✓[/] {name}{self._note} [dim]{seconds:.1f} s", highlight=False)
            self._print_notes()
        finally:
            for finished in (task, *(bar.task for bar in self._bars.values())):
                self._display.remove_task(finished)
            self._bars.clear()

    @property
    def _note(self) -> str:
        """The figures of the step's only model."""
        return "".join(f": {bar.note}" for bar in self._bars.values()) if len(self._bars) == 1 else ""

    def _print_notes(self) -> None:
        """Leave a line for each of the step's models, if there are several."""
        for model, bar in self._bars.items() if len(self._bars) > 1 else ():
            self.console.print(f"  [cyan]{model}[/]: {bar.note}", highlight=False)

    def update(self, cell: CellProgress) -> None:
        """Move a model's bar."""
        if cell.model not in self._bars:
            self._bars[cell.model] = _Bar(self._display.add_task(f"[cyan]{cell.model}", total=cell.total, note=""))
        bar = self._bars[cell.model]
        bar.move(cell)
        self._display.update(bar.task, total=bar.total, completed=bar.settled, note=bar.note)
        if not self.console.is_terminal and bar.settled < bar.total and bar.is_due():
            left = f", {bar.time_left} left" if bar.time_left else ""
            self.console.print(f"  {cell.model}: {bar.note}{left}", highlight=False)

    def waiting(self, message: str) -> None:
        """Say why nothing moves."""
        self.console.print(message, style="yellow", highlight=False, markup=False)

    def spent(self, usd: float, ran_short: bool) -> None:
        """Add what a run spent."""
        self.spent_usd += usd
        self.ran_short = ran_short


class TerminalProgressResource(ProgressResource):
    """Gives every step of this process the same terminal."""

    def __init__(self, terminal: TerminalProgress) -> None:
        self._terminal = terminal

    def reporter(self, log: logging.Logger) -> TerminalProgress:  # noqa: ARG002 - the terminal shows it instead
        """Return the terminal."""
        return self._terminal
