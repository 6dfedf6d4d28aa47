"""`steerworks campaign`: where a campaign stands, and its end."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from dagster_project.lake import Lake
from dagster_project.settings import Settings
from dagster_project.vendors import close, received, status

app = typer.Typer(help="See where a campaign stands, and close it.", no_args_is_help=True)
Campaign = Annotated[str, typer.Argument(help="slug in config/campaigns.yaml")]


@app.command("status")
def show(campaign: Campaign) -> None:
    """Show what was ordered, what came, and what is awaited."""
    settings = Settings.from_environment()
    lake, console = Lake(settings.home.lake), Console()
    now, rows = status(lake, settings, campaign), received(lake, campaign)
    console.print(
        f"{campaign}: {'closed' if now.closed else 'open'}; {now.tasks} tasks, {now.rounds} rounds; "
        f"{now.ordered} ratings of tasks ordered, {now.delivered} delivered, {now.outstanding} outstanding, "
        f"{now.awaiting_tasks} tasks awaiting; {now.cost_usd:.2f} USD",
        soft_wrap=True,
    )
    rules = ", ".join(f"{count} {rule}" for rule, count in rows.quarantined.items())
    console.print(
        f"rows delivered: {rows.accepted} accepted, {rules + ' quarantined' if rules else 'none quarantined'}"
    )


@app.command("close")
def close_campaign(campaign: Campaign) -> None:
    """End a campaign: tasks that still wait for annotators are decided with those they have."""
    settings = Settings.from_environment()
    closing = close(Lake(settings.home.lake), settings, campaign)
    Console().print(f"`{campaign}` was closed already." if closing.was_closed else f"`{campaign}` is closed.")
