"""`steerworks campaign`: where a campaign stands, and its end."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from dagster_project.cli.launch import Launcher
from dagster_project.cli.quarantine import list_rows
from dagster_project.cli.terminal import open_console
from dagster_project.lake import Lake
from dagster_project.quality.annotator_page import annotator_page
from dagster_project.settings import Settings
from dagster_project.vendors import CampaignStatus, Orders, close, received, status
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
        f"{campaign} is {'closed' if now.closed else 'open'}: {now.tasks} tasks, last round {now.rounds}"
        f"{'' if now.closed else f'; {now.awaiting_tasks} tasks wait for annotators'}.",
        soft_wrap=True,
    )
    console.print(_orders(now, settings.campaign(campaign).max_usd))
    rules = ", ".join(f"{count} {rule}" for rule, count in rows.quarantined.items())
    console.print(f"Rows delivered: {rows.accepted} accepted, {rules or 'none'} quarantined.", soft_wrap=True)
    if rules:
        console.print(f"`steerworks campaign quarantine {campaign}` lists them.")
    if not now.closed and not now.outstanding:
        console.print("All that was ordered is here. `steerworks run VERSION` orders top-ups if any are due.")


def _orders(now: CampaignStatus, max_usd: float | None) -> Table:
    """Return what was ordered, what came and what is awaited, of own tasks and of controls, and what it costs."""
    table = Table("", box=None, pad_edge=False)
    for heading in ("tasks", "annotators ordered", "delivered", "awaited", "annotations", "USD", "USD ordered"):
        table.add_column(heading, justify="right")
    lines: list[tuple[str, Orders]] = [("own", now), *((f"control: {one.kind}", one) for one in now.controls)]
    for name, orders in lines:
        awaited = 0 if now.closed else orders.outstanding
        counts = (orders.tasks, orders.ordered, orders.delivered, awaited, orders.annotations)
        table.add_row(name, *map(str, counts), f"{orders.cost_usd:.2f}", f"{orders.ordered_usd:.2f}")
    cost, ordered = sum(one.cost_usd for _, one in lines), sum(one.ordered_usd for _, one in lines)
    most = "" if max_usd is None else f" of {max_usd:.2f}"
    table.add_row("together", "", "", "", "", "", f"{cost:.2f}", f"{ordered:.2f}{most}")
    return table


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
