"""`steerworks judge`: have models rate a campaign's tasks."""

from __future__ import annotations

from typing import Annotated

import typer

from dagster_project.cli.money import amount_of_usd
from dagster_project.cli.progress import TerminalProgress
from dagster_project.cli.terminal import open_console
from dagster_project.generation import Purse
from dagster_project.lake import Lake
from dagster_project.settings import Settings
from dagster_project.vendors import judge


def judge_campaign(
    campaign: Annotated[
        str, typer.Argument(help="slug in config/campaigns.yaml, of a vendor of kind `model` or with one")
    ],
    max_usd: Annotated[float | None, typer.Option(callback=amount_of_usd, help="spend no more than this")] = None,
) -> None:
    """Have the vendor's judges rate the campaign's tasks; their deliveries land in the inbox."""
    settings, console = Settings.from_environment(), open_console()
    with TerminalProgress(console) as terminal, terminal.step(f"judges rate {campaign}"):
        judged = judge(Lake(settings.home.lake), settings, campaign, terminal, Purse(max_usd))
    for done in judged:
        console.print(
            f"{done.judge}: {done.rated} tasks rated, {done.failed} not answered, {done.cost_usd:.2f} USD"
            f"{f'; {done.delivery}' if done.delivery else ''}",
            soft_wrap=True,
        )
