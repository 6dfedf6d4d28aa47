"""`steerworks explain`: where something comes from, and what became of it."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Annotated

import typer

from dagster_project.lake import Paths
from dagster_project.releases.explaining import explain as find
from dagster_project.releases.explaining import page
from dagster_project.settings import Settings


def explain(
    wanted: Annotated[
        str, typer.Argument(metavar="ID", help="of a prompt, a response or a task; or TASK@RESPONSE@ANNOTATOR")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="as JSON")] = False,
) -> None:
    """Tell the whole history of a prompt, response, task or annotation; into a file as Markdown."""
    settings = Settings.from_environment()
    history = find(Paths(settings.home.lake), settings, wanted)
    if as_json:
        print(json.dumps(asdict(history), indent=2, ensure_ascii=False, default=str))
    elif not sys.stdout.isatty():
        print(page(history))
    else:
        from rich.markdown import Markdown  # noqa: PLC0415 - only a terminal needs it

        from dagster_project.cli.terminal import open_console  # noqa: PLC0415

        open_console().print(Markdown(page(history)))
