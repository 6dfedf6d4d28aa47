"""`steerworks sql`: DuckDB with every table and release as a view, for people who explore."""

from __future__ import annotations

import shutil
import sys
from typing import Annotated

import typer

from dagster_project.cli.terminal import open_console
from dagster_project.errors import SteerworksError
from dagster_project.lake import TABLES, Lake, Session
from dagster_project.releases import built_versions
from dagster_project.releases.folders import PROVENANCE, SPLIT_TABLES, open_table
from dagster_project.settings import Settings

PROMPT, CONTINUED = "sql> ", "...> "


def sql(
    statement: Annotated[
        str | None, typer.Argument(metavar="STATEMENT", help="read from the terminal if left out")
    ] = None,
) -> None:
    """Ask every table of the lake and of the releases in SQL.

    Tables of a release are named after it: "v1.0.0/data", "v1.0.0/provenance/tasks".
    """
    settings = Settings.from_environment()
    with Session() as session:
        names = _open_views(session, settings)
        if statement is not None:
            _answer(session, statement)
            return
        if sys.stdin.isatty():
            open_console().print(
                f"{', '.join(names)}\nEnd a statement with `;`, and the session with Ctrl-D.", highlight=False
            )
        for each in _statements():
            try:
                _answer(session, each)
            except SteerworksError as error:
                print(error)


def _open_views(session: Session, settings: Settings) -> list[str]:
    """Give the session its views; return their names."""
    lake = Lake(settings.home.lake)
    for table in TABLES:
        session.table(lake, table)
    names = [*TABLES]
    for version in built_versions(settings.home):
        for table in (*SPLIT_TABLES, *(f"provenance/{name}" for name in PROVENANCE)):
            open_table(session, f"{version}/{table}", settings.home.releases / version, table)
            names.append(f'"{version}/{table}"')
    return names


def _statements() -> list[str] | _Typed:
    return _Typed() if sys.stdin.isatty() else [text for text in sys.stdin.read().split(";") if text.strip()]


class _Typed:
    """Statements as they are typed, each up to its semicolon."""

    def __iter__(self) -> _Typed:
        import readline  # noqa: F401, PLC0415 - gives `input` its history

        return self

    def __next__(self) -> str:
        lines: list[str] = []
        while not (lines and lines[-1].rstrip().endswith(";")):
            try:
                lines.append(input(CONTINUED if lines else PROMPT))
            except EOFError:
                raise StopIteration from None
        return "\n".join(lines)


def _answer(session: Session, statement: str) -> None:
    import duckdb  # noqa: PLC0415 - the command line starts without it

    try:
        result = session.connection.sql(statement)
    except duckdb.Error as error:
        raise SteerworksError(str(error)) from None
    if result is not None:
        result.show(max_width=shutil.get_terminal_size().columns)
