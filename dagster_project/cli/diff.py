"""`steerworks diff`: what changed from one release to another, and why."""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markdown import Markdown

from dagster_project.cli.terminal import open_console
from dagster_project.releases import read_manifest, yank_of_folder
from dagster_project.releases.changelog import changelog
from dagster_project.releases.difference import difference, folder_of
from dagster_project.releases.versions import checked_version
from dagster_project.settings import Settings

EVERY_ROW = 1 << 62


def diff(
    older: Annotated[str, typer.Argument(help="a version that was built, such as v1.0.0")],
    newer: Annotated[str, typer.Argument(help="another one, such as v1.1.0")],
    rows: Annotated[int, typer.Option(min=0, help="rows of each change and reason that are named")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="as JSON, with every row")] = False,
) -> None:
    """Say which rows were added, removed and changed between two releases, and why; statistics side by side."""
    releases = Settings.from_environment().home.releases
    before, after = (releases / checked_version(version) for version in (older, newer))
    for yanked in (yank_of_folder(before), yank_of_folder(after)):
        if yanked:
            Console(stderr=True).print(f"[bold yellow]yanked[/] {yanked}.", highlight=False, soft_wrap=True)
    manifests = read_manifest(before), read_manifest(after)
    folders = folder_of(before, manifests[0]), folder_of(after, manifests[1])
    with tempfile.TemporaryDirectory() as spill:
        found = difference(*folders, EVERY_ROW if as_json else rows, Path(spill))
    if as_json:
        print(json.dumps(asdict(found), indent=2, ensure_ascii=False, default=str))
    else:
        open_console().print(Markdown(changelog(*manifests, found)))
