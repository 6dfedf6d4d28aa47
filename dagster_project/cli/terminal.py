"""The terminal that the commands write to."""

from __future__ import annotations

import os
import sys

from rich.console import Console

LONGEST_LINE = 10_000
"""Columns where nobody looks on: in a file or a pipe, a name or a path stays in one line."""


def open_console() -> Console:
    """Return a console on a duplicate of standard output; it wraps lines for a terminal only.

    Dagster turns standard output into a file while a step runs; on the duplicate, progress goes on
    being shown.
    """
    console = Console(file=os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8"))
    if not console.is_terminal:
        console.width = LONGEST_LINE
    return console
