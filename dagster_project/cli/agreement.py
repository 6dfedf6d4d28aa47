"""`steerworks agreement`: how well annotators agree, and what another policy would make of the same ratings."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import polars as pl
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dagster_project.cli.terminal import open_console
from dagster_project.errors import SteerworksError
from dagster_project.lake import Lake
from dagster_project.settings import AgreementPolicy, Settings
from dagster_project.settings.yaml_file import load_model

MOST_ANNOTATORS = 10
"""Of those on whom two policies disagree, how many are listed."""


def agreement(
    campaign: Annotated[str, typer.Argument(help="slug in config/campaigns.yaml")],
    compare: Annotated[
        tuple[Path, Path] | None, typer.Option(help="two policy files, like config/agreement.yaml; nothing is written")
    ] = None,
    by: Annotated[
        Dimension | None, typer.Option(help="show figures apart by this; `campaign`: of all campaigns")
    ] = None,
) -> None:
    """Show kappa at each stage beside its shuffled figure, or compare two policies on the same ratings."""
    settings, console = Settings.from_environment(), open_console()
    settings.campaign(campaign)
    lake = Lake(settings.home.lake)
    if by is not None:
        _print_slices(console, lake, settings, campaign, by)
    elif compare is None:
        figures = lake.read("agreement", {"campaign": campaign})
        if figures.is_empty():
            raise SteerworksError(f"`{campaign}` has no agreement figures yet; materialise `agreement` first")
        _print_figures(console, campaign, figures)
    else:
        _compare(console, lake, settings, campaign, compare)


class Dimension(StrEnum):
    """What figures can be told apart by."""

    CAMPAIGN = "campaign"
    VENDOR = "vendor"
    MODEL = "model"
    TOPIC = "topic"


def _print_slices(console: Console, lake: Lake, settings: Settings, campaign: str, by: Dimension) -> None:
    from dagster_project.quality.slicing import figures_by  # noqa: PLC0415 - heavy, and for this alone

    campaigns = [campaign] if by in (Dimension.MODEL, Dimension.TOPIC) else sorted(settings.campaigns)
    kappas = figures_by(lake, settings, campaigns, by.value).filter(statistic="quadratic_kappa")
    if kappas.is_empty():
        raise SteerworksError(f"there are no agreement figures by {by.value} yet; materialise `agreement` first")
    table = Table(title=f"Quadratic-weighted kappa by {by.value}", title_justify="left", box=None, pad_edge=False)
    for heading in (by.value, "attribute", "responses", "collected", "retained", "shuffled", "lift over chance"):
        table.add_column(heading, justify="left" if heading in (by.value, "attribute") else "right")
    collected = {(row["slice"], row["attribute"]): row for row in kappas.filter(stage="collected").to_dicts()}
    retained = {(row["slice"], row["attribute"]): row for row in kappas.filter(stage="retained").to_dicts()}
    for (name, attribute), row in collected.items():
        left = retained.get((name, attribute), {})
        interval = f" ({_figure(left.get('lift_low'))} to {_figure(left.get('lift_high'))})"
        figures = (row["value"], left.get("value"), left.get("shuffled"))
        table.add_row(
            escape(name),
            attribute,
            str(row["units"]),
            *(_figure(value) for value in figures),
            _figure(left.get("lift")) + interval,
        )
    console.print(table)


def _compare(console: Console, lake: Lake, settings: Settings, campaign: str, files: tuple[Path, Path]) -> None:
    from dagster_project.quality.comparing import compare_policies  # noqa: PLC0415 - heavy, and for this alone

    first, second = (load_model(path, AgreementPolicy) for path in files)
    found = compare_policies(lake, settings, campaign, first, second)
    for path, figures in zip(files, found.figures, strict=True):
        _print_figures(console, str(path), figures)
    console.print("\n[bold]Annotators' ratings of a task, by what becomes of them under the first and the second")
    for row in found.fates.iter_rows(named=True):
        console.print(f"  {row['first']} → {row['second']}: {row['task_annotations']} in {row['tasks']} tasks")
    console.print(f"\n[bold]{len(found.annotators)} annotators have ratings that only one of the two keeps")
    for row in found.annotators.head(MOST_ANNOTATORS).iter_rows(named=True):
        console.print(
            f"  {escape(row['annotator'])}: {row['only_first']} only by the first, {row['only_second']} only by the "
            f"second, of {row['tasks']} tasks",
            highlight=False,
        )


def _print_figures(console: Console, title: str, figures: pl.DataFrame) -> None:
    table = Table(title=f"{title}: quadratic-weighted kappa", title_justify="left", box=None, pad_edge=False)
    for heading in ("attribute", "collected", "retained", "shuffled", "lift over chance selection"):
        table.add_column(heading, justify="left" if heading == "attribute" else "right")
    kappas = figures.filter(statistic="quadratic_kappa", estimator="pooled")
    for row in kappas.filter(stage="retained").iter_rows(named=True):
        [collected] = kappas.filter(stage="collected", attribute=row["attribute"])["value"]
        interval = f" ({_figure(row['lift_low'])} to {_figure(row['lift_high'])})"
        table.add_row(
            row["attribute"],
            *(_figure(value) for value in (collected, row["value"], row["shuffled"])),
            _figure(row["lift"]) + interval,
        )
    console.print(table)
    for warned in kappas.filter(pl.col("warning").is_not_null(), stage="collected").iter_rows(named=True):
        console.print(f"[yellow]{warned['attribute']}: {warned['warning']}")
    for row in figures.filter(statistic="task_retention", stage="retained").iter_rows(named=True):
        console.print(f"Tasks retained: {_share(row['value'])}; of shuffled ratings {_share(row['shuffled'])}.")


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"
