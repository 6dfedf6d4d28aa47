"""The `steerworks` command, one module a verb.

Belongs here: reading the command line, calling the domain or starting a Dagster run (`launch`),
and saying in a terminal what came of it. Does not belong here: doing the work.

Only the module of the verb that is asked for is imported: some verbs answer in less time than others take to load.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys
from collections.abc import Iterable
from importlib import import_module

import typer

from dagster_project.errors import SteerworksError

VERBS = {
    "run": "run:run",
    "prompts": "prompts:app",
    "backfill": "backfill:backfill",
    "responses": "responses:app",
    "campaign": "campaign:app",
    "annotate": "annotate:app",
    "quarantine": "quarantine:app",
    "agreement": "agreement:agreement",
    "judge": "judge:judge_campaign",
    "simulate": "simulate:simulate",
    "release": "release:release",
    "publish": "release:publish",
    "verify": "release:verify_release",
    "diff": "diff:diff",
    "explain": "explain:explain",
    "splits": "splits:splits",
    "sql": "sql:sql",
    "vault": "vault:app",
    "withdraw": "withdraw:app",
    "ui": "ui:ui",
}
"""Every verb, in the order of the help: its module, and in it the function, or the commands that it has."""
OBJECTS_BETWEEN_COLLECTIONS = 50_000
"""Modules are a hundred thousand objects that stay: going through them over and over is a tenth of a short command."""


def command_line(verbs: Iterable[str] = tuple(VERBS)) -> typer.Typer:
    """Return the command line with some of the verbs."""
    app = typer.Typer(
        name="steerworks",
        help="An open factory for preference data in the manner of HelpSteer2.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    # With this, a verb is asked for by its name even where it is the only one.
    app.callback()(lambda: None)
    for verb in verbs:
        module, _, name = VERBS[verb].partition(":")
        found = getattr(import_module(f"dagster_project.cli.{module}"), name)
        if isinstance(found, typer.Typer):
            app.add_typer(found, name=verb)
        else:
            app.command(verb)(found)
    return app


def main() -> None:
    """Run the command line; what the user can mend is said without a traceback."""
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
    atexit.register(_say_no_more)
    asked = sys.argv[1:2]
    try:
        command_line(asked if set(asked) <= VERBS.keys() and asked else VERBS)()
    except SteerworksError as error:
        from rich.console import Console  # noqa: PLC0415 - only what went wrong is said so
        from rich.markup import escape  # noqa: PLC0415

        Console(stderr=True).print(f"[bold red]error[/] {escape(str(error))}", highlight=False, soft_wrap=True)
        sys.exit(1)


def _say_no_more() -> None:
    """Close the terminal for what is said after the command's own last word.

    When suites ran, DuckDB's binding lists objects of its own as leaked once the interpreter has ended; who holds them
    until then is not known. All is written by then, and a user could do nothing about it.
    """
    sys.stderr.flush()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
