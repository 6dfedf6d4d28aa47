"""The `steerworks` command, one module a verb.

Belongs here: reading the command line, calling the domain or starting a Dagster run (`launch`),
and saying in a terminal what came of it. Does not belong here: doing the work.
"""

from __future__ import annotations

import sys

import typer
from rich.console import Console
from rich.markup import escape

from dagster_project.cli import (
    agreement,
    annotate,
    backfill,
    campaign,
    diff,
    explain,
    judge,
    prompts,
    quarantine,
    release,
    responses,
    run,
    simulate,
    splits,
    sql,
    ui,
    vault,
    withdraw,
)
from dagster_project.errors import SteerworksError

app = typer.Typer(
    name="steerworks",
    help="An open factory for preference data in the manner of HelpSteer2.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("run")(run.run)
app.add_typer(prompts.app, name="prompts")
app.command("backfill")(backfill.backfill)
app.add_typer(responses.app, name="responses")
app.add_typer(campaign.app, name="campaign")
app.add_typer(annotate.app, name="annotate")
app.add_typer(quarantine.app, name="quarantine")
app.command("agreement")(agreement.agreement)
app.command("judge")(judge.judge_campaign)
app.command("simulate")(simulate.simulate)
app.command("release")(release.release)
app.command("publish")(release.publish)
app.command("verify")(release.verify_release)
app.command("diff")(diff.diff)
app.command("explain")(explain.explain)
app.command("splits")(splits.splits)
app.command("sql")(sql.sql)
app.add_typer(vault.app, name="vault")
app.add_typer(withdraw.app, name="withdraw")
app.command("ui")(ui.ui)


def main() -> None:
    """Run the command line; what the user can mend is said without a traceback."""
    try:
        app()
    except SteerworksError as error:
        Console(stderr=True).print(f"[bold red]error[/] {escape(str(error))}", highlight=False, soft_wrap=True)
        sys.exit(1)
