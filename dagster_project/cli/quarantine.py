"""`steerworks quarantine`: delivered rows that break a rule, and taking them again."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from dagster_project.cli.launch import Launcher
from dagster_project.cli.terminal import open_console
from dagster_project.lake import Lake
from dagster_project.settings import Settings
from dagster_project.vendors import TakenAgain, is_closed, take_again

app = typer.Typer(help="Delivered rows that break a rule: list them, and take them again.", invoke_without_command=True)
Campaign = Annotated[str | None, typer.Option(help="only of this campaign")]


@app.callback()
def quarantine(context: typer.Context, campaign: Campaign = None) -> None:
    """List quarantined rows: file, row, rule, what to do, and what the row said without anybody's name."""
    if context.invoked_subcommand is None:
        list_rows(campaign)


def list_rows(campaign: str | None) -> None:
    """Print the quarantined rows of one campaign, or of all."""
    settings, console = Settings.from_environment(), open_console()
    if campaign is not None:
        settings.campaign(campaign)
    rows = Lake(settings.home.lake).read("quarantine", {"campaign": campaign} if campaign else None)
    for row in rows.sort("campaign", "file", "row_number").iter_rows(named=True):
        place = escape(f"{row['campaign']}: {row['file']}, row {row['source_row'] or row['row_number']}")
        said = f" [dim]{escape(row['text'])}[/]" if row["text"] else ""
        console.print(
            f"{place}: [yellow]{row['rule']}[/] {escape(row['message'])}{said}", soft_wrap=True, highlight=False
        )
    if rows.is_empty():
        console.print("No row is quarantined.")


@app.command("retake")
def retake(
    vendor: Annotated[str | None, typer.Argument(help="slug in config/vendors.yaml; all if left out")] = None,
) -> None:
    """Read files with quarantined rows again from the vault, after a mapping or the code was mended."""
    settings, console = Settings.from_environment(), open_console()
    lake = Lake(settings.home.lake)
    everyone = {slug for campaign in settings.campaigns.values() for slug in campaign.vendors}
    vendors = [vendor] if vendor else sorted(everyone)
    files = [file for slug in vendors for file in take_again(lake, settings, slug)]
    for file in files:
        console.print(_told(file), soft_wrap=True, highlight=False)
    changed = sorted({campaign for file in files if not file.left_alone for campaign in file.campaigns})
    for campaign in changed:
        if not is_closed(lake, campaign):
            Launcher(settings).run("intake", campaign)
    console.print(
        f"Taken again: {len(changed)} campaigns have what came of it." if changed else "Nothing was to be taken again."
    )


def _told(file: TakenAgain) -> str:
    if file.left_alone:
        return escape(f"{file.file}: left as it is, {file.before} quarantined: {file.left_alone}.")
    return escape(f"{file.file}: {file.before} quarantined before, {file.after} now.")
