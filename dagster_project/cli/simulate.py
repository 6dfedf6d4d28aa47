"""`steerworks simulate`: let the simulated vendor rate what lies in its outbox."""

from __future__ import annotations

from rich.console import Console

from dagster_project.settings import Settings
from dagster_project.simulation import answer_outbox


def simulate() -> None:
    """Have the simulated vendor rate the tasks in its outbox; its files land in the inbox."""
    home, console = Settings.from_environment().home, Console()
    for path in answer_outbox(home.outbox, home.inbox):
        console.print(f"simulated ratings: {path}", soft_wrap=True)
