"""`steerworks simulate`: let the simulated vendor rate what lies in its outbox."""

from __future__ import annotations

from dagster_project.cli.terminal import open_console
from dagster_project.settings import Settings
from dagster_project.simulation import answer_outbox


def simulate() -> None:
    """Have the simulated vendor rate the tasks in its outbox; its files land in the inbox."""
    home, console = Settings.from_environment().home, open_console()
    for path in answer_outbox(home.outbox, home.inbox):
        console.print(f"simulated ratings: {path}", soft_wrap=True)
