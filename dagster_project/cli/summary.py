"""The last words of a run: what went in, what came out, what left and why, and what to try next."""

from __future__ import annotations

import polars as pl
from rich.console import Console
from rich.rule import Rule
from rich.table import Table

from dagster_project.lake import Lake, Session
from dagster_project.settings import Settings

SIMULATED = "Its ratings are SIMULATED, made by a program: good for trying Steerworks out, and not to be published."
RULE_COLUMNS = 120

NEXT_AFTER_A_TRIAL = """\
  make ui                              browse the lineage and this run in the Dagster UI
  edit config/models.yaml, then
  steerworks backfill MODEL            have a model of your own answer the same prompts
  steerworks prompts add FILE …        bring your own prompts (JSONL or Parquet)"""
NEXT = """\
  read {path}/README.md, the data card
  steerworks verify {path}
  keep its lock file, beside its description in config/releases/, under version control"""


def print_summary(console: Console, settings: Settings, version: str, seconds: float) -> None:
    """Print the figures of a release that was just made, and three things to try."""
    campaigns = settings.release(version).campaigns
    console.print(Rule(f"{version} in {seconds:.0f} s"), width=min(console.width, RULE_COLUMNS))
    for campaign in campaigns:
        if len(campaigns) > 1:
            console.print(f"[bold cyan]{campaign}", soft_wrap=True)
        _print_campaign(console, settings, campaign)
    simulated = any(settings.vendor_of(campaign).kind == "simulated" for campaign in campaigns)
    if simulated:
        console.print(f"[bold yellow]{SIMULATED}", soft_wrap=True)
    path = settings.home.releases / version
    console.print(f"[bold]Release[/]      {path}", soft_wrap=True)
    console.print(
        f"\n[bold]Next[/]\n{NEXT_AFTER_A_TRIAL if simulated else NEXT.format(path=path)}",
        highlight=False,
        soft_wrap=True,
    )


def _print_campaign(console: Console, settings: Settings, campaign: str) -> None:
    lake = Lake(settings.home.lake)
    pairing = settings.campaign(campaign).pairing
    estimator = {"estimator": "fixed_slots" if settings.vendor_of(campaign).slots == "fixed" else "pooled"}
    with Session() as session:
        if pairing is not None:
            print_prompts(console, lake, list(pairing.prompt_batches))
            session.table(lake, "responses")
            wanted = {
                "prompt_batches": list(pairing.prompt_batches),
                "models": list(pairing.models or settings.models.models),
            }
            _print_responses(console, session.query("report/responses", wanted))
        for table in ("retained_annotations", "agreement"):
            session.table(lake, table, {"campaign": campaign})
        session.frame("rubric", pl.DataFrame(settings.rubric_of(campaign).rows()))
        _print_annotations(console, session.query("report/annotations"))
        _print_kappa(console, session.query("report/kappa", estimator))


def print_prompts(console: Console, lake: Lake, batches: list[str]) -> None:
    """Print how many prompts of some batches go on to the models, and why the others do not."""
    with Session() as session:
        for table in ("curated_prompts", "selected_prompts"):
            session.table(lake, table)
        rows = session.query("report/prompts", {"prompt_batches": batches})
    selected = rows.filter(pl.col("reason") == "selected")["prompts"].sum()
    left = rows.filter(pl.col("reason") != "selected")
    console.print(
        f"[bold]Prompts[/]      {selected} of {rows['prompts'].sum()} selected{_reasons(left, 'prompts')}",
        soft_wrap=True,
    )


def _print_responses(console: Console, rows: pl.DataFrame) -> None:
    failed = rows["failed"].sum()
    console.print(
        f"[bold]Responses[/]    {rows['answered'].sum()} of {len(rows)} models"
        f"{f', {failed} failed' if failed else ''}; {rows['prompt_tokens'].sum():,} tokens read, "
        f"{rows['completion_tokens'].sum():,} written; {rows['cost_usd'].sum():.2f} USD",
        soft_wrap=True,
    )


def _print_annotations(console: Console, rows: pl.DataFrame) -> None:
    kept = rows.filter(pl.col("stage") == "kept")["annotations"].sum()
    left = rows.filter(pl.col("stage") != "kept")
    console.print(
        f"[bold]Annotations[/]  {kept} of {rows['annotations'].sum()} kept{_reasons(left, 'annotations')}",
        soft_wrap=True,
    )


def _reasons(rows: pl.DataFrame, count: str) -> str:
    reasons = ", ".join(f"{row[count]} {row['reason']}" for row in rows.iter_rows(named=True))
    return f" (excluded: {reasons})" if reasons else ""


def _print_kappa(console: Console, rows: pl.DataFrame) -> None:
    table = Table(title="Quadratic-weighted kappa", title_justify="left", box=None, pad_edge=False)
    table.add_column("attribute")
    for name in ("collected", "retained", "the same filter on shuffled ratings"):
        table.add_column(name, justify="right")
    for row in rows.iter_rows():
        table.add_row(row[0], *("–" if value is None else f"{value:.3f}" for value in row[1:]))
    console.print(table)
