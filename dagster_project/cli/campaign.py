"""`steerworks campaign`: where a campaign stands, and its end."""

from __future__ import annotations

from typing import Annotated

import typer

from dagster_project.cli.launch import Launcher
from dagster_project.cli.quarantine import list_rows
from dagster_project.cli.terminal import open_console
from dagster_project.lake import Lake
from dagster_project.quality import annotator_page
from dagster_project.settings import Settings
from dagster_project.vendors import close, received, status
from dagster_project.whole_files import write_text

app = typer.Typer(help="See where a campaign stands, and close it.", no_args_is_help=True)
Campaign = Annotated[str, typer.Argument(help="slug in config/campaigns.yaml")]


@app.command("status")
def show(campaign: Campaign) -> None:
    """Show what was ordered, what came, and what is awaited."""
    settings, console = Settings.from_environment(), open_console()
    lake = Lake(settings.home.lake)
    now, rows = status(lake, settings, campaign), received(lake, campaign)
    console.print(
        f"{campaign} is {'closed' if now.closed else 'open'}: {now.tasks} tasks, last round {now.rounds}; of "
        f"{now.ordered} annotators ordered over all tasks {now.delivered} have delivered"
        f"{'' if now.closed else f', {now.outstanding} are outstanding on {now.awaiting_tasks} tasks'}; "
        f"{now.annotations} annotations, {now.cost_usd:.2f} USD.",
        soft_wrap=True,
    )
    rules = ", ".join(f"{count} {rule}" for rule, count in rows.quarantined.items())
    console.print(f"Rows delivered: {rows.accepted} accepted, {rules or 'none'} quarantined.", soft_wrap=True)
    if rules:
        console.print(f"`steerworks campaign quarantine {campaign}` lists them.")
    if not now.closed and not now.outstanding:
        console.print("All that was ordered is here. `steerworks run VERSION` orders top-ups if any are due.")


@app.command("quarantine")
def quarantine(campaign: Campaign) -> None:
    """List the delivered rows that break a rule: file, row, rule, and what to do."""
    list_rows(campaign)


@app.command("annotators")
def annotators(campaign: Campaign) -> None:
    """Draw each annotator's figures, by pseudonym, on a page of plots."""
    settings = Settings.from_environment()
    rules = settings.policy_of(campaign).trust
    records = Lake(settings.home.lake).read("annotator_quality", {"campaign": campaign})
    path = settings.home.root / "reports" / campaign / "annotators.html"
    write_text(path, annotator_page(campaign, records, rules))
    open_console().print(f"{records.height} annotators: {path}", soft_wrap=True)


@app.command("close")
def close_campaign(campaign: Campaign) -> None:
    """End a campaign: tasks that still wait for annotators are decided with those they have."""
    settings = Settings.from_environment()
    closing = close(Lake(settings.home.lake), settings, campaign)
    Launcher(settings).run("consensus", campaign)
    open_console().print(f"`{campaign}` was closed already." if closing.was_closed else f"`{campaign}` is closed.")
